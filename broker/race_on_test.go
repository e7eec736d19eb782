//go:build race

package broker

// raceEnabled: the race detector empties pools at random.
const raceEnabled = true
