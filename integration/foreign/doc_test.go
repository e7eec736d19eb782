// Package foreign_test runs clients that were written for nats-server, as they
// are, against Vigil's broker: nats.go with its micro-services, and the official
// JavaScript client. Each test runs on nats-server as well, so that what it
// expects is proved by the reference and not merely believed.
//
// The JavaScript client also goes through brokertest's suite of faults, and a test written
// in JavaScript makes faults with vigil test-broker.
//
// The JavaScript client is installed by "npm ci" into a directory that is
// removed afterwards. Without Node that test is skipped and says so; with
// VIGIL_REQUIRE_NODE set it fails instead.
package foreign_test
