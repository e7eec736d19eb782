//go:build !race

package cuts_test

const raceEnabled = false
