// Package fault makes a broker's host vanish for real. (Manual to follow.)
package fault
