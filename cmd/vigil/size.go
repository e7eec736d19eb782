package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// maxSize is the largest size that a flag takes, in bytes: room to add some of
// them up without a thought.
const maxSize = min(1<<50, math.MaxInt)

// sizeUnits are the units of sizes as nats-server's configuration has them, in
// any case: K is 1000, KB 1024.
var sizeUnits = map[string]int{
	"":  1,
	"k": 1000, "kb": 1 << 10, "ki": 1 << 10, "kib": 1 << 10,
	"m": 1000_000, "mb": 1 << 20, "mi": 1 << 20, "mib": 1 << 20,
	"g": 1000_000_000, "gb": 1 << 30, "gi": 1 << 30, "gib": 1 << 30,
}

// errNoSize is the cause of a text that is no size.
var errNoSize = errors.New("no size")

// parseSize returns the bytes that a text such as 512K or 64MB means; a bare
// number is bytes. What is too large for an int is the largest or smallest
// there is.
func parseSize(text string) (int, error) {
	number := strings.TrimRight(text, "kKmMgGbBiI")
	unit, ok := sizeUnits[strings.ToLower(text[len(number):])]
	if !ok {
		return 0, errNoSize
	}
	n, err := parseNumber(number)
	switch {
	case err != nil:
		return 0, errNoSize
	case n > math.MaxInt/unit:
		return math.MaxInt, nil
	case n < math.MinInt/unit:
		return math.MinInt, nil
	}
	return n * unit, nil
}

// parseNumber is strconv.Atoi, but what is too large for an int is the largest
// or smallest there is.
func parseNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrRange) {
		// Which is found before what stands behind the digits.
		if strings.Trim(text[1:], "0123456789") != "" {
			return 0, strconv.ErrSyntax
		}
		return n, nil
	}
	return n, err
}

// formatSize returns a text that parseSize makes n of, with the largest unit of
// 1024 bytes and more that n is a multiple of.
func formatSize(n int) string {
	for _, unit := range [...]string{"GB", "MB", "KB"} {
		if size := sizeUnits[strings.ToLower(unit)]; n != 0 && n%size == 0 {
			return strconv.Itoa(n/size) + unit
		}
	}
	return strconv.Itoa(n)
}
