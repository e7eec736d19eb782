// Package control lets programs that are not written in Go make faults to a broker,
// over HTTP: it is package front with JSON.
//
// Each operation is one line of a table, from which requests are judged and the OpenAPI
// file, openapi.json, is made:
//
//	go test ./internal/control -update
//
// Whoever reaches the control can do everything with it; there is no login. A request
// with an Origin, which is one that a web page makes a browser send, and one for a host
// by a name other than localhost are refused.
package control
