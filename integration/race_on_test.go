//go:build race

package integration_test

// raceEnabled: the race detector makes all slower and larger, some ten times.
const raceEnabled = true
