// Package copies_test lets publishers, subscribers and queue groups loose on a
// broker at full speed, over sockets, while subscriptions come and go, writes
// down every copy that arrives, and holds that against a naive account of what
// had to arrive, what could, and in which order. The same account judges
// nats-server, so that it asks for no more than the reference gives, and
// histories with one forged copy each, so that it lets nothing pass.
//
//	go test -race ./integration/copies           some seconds
//	go test -race ./integration/copies -long     more messages, more often
package copies_test
