package broker

// RaceEnabled says that the race detector watches.
const RaceEnabled = raceEnabled

// Long is the flag -long.
var Long = long
