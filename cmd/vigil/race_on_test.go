//go:build race

package main

// raceEnabled: what the race detector itself holds does not come back.
const raceEnabled = true
