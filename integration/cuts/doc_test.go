// Package cuts_test cuts the connections of Vigil's clients at random bytes, amid
// frames, in both directions, hundreds of times in a row, over sockets to real
// brokers, and holds what was received against what was published and what the
// clients said of it. The same judge convicts histories with one forged fault each,
// so that it lets nothing pass.
//
//	go test ./integration/cuts           400 cuts of each client
//	go test ./integration/cuts -long     10,000
package cuts_test
