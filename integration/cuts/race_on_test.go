//go:build race

package cuts_test

// raceEnabled: the race detector makes all slower and larger, some ten times.
const raceEnabled = true
