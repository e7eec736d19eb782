package main

import (
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int{
		"0":                    0,
		"1":                    1,
		"007":                  7,
		"1048576":              1 << 20,
		"1K":                   1000,
		"1k":                   1000,
		"1KB":                  1024,
		"1Kb":                  1024,
		"1KiB":                 1024,
		"1ki":                  1024,
		"64M":                  64_000_000,
		"64MB":                 64 << 20,
		"1G":                   1_000_000_000,
		"1gb":                  1 << 30,
		"-1":                   -1,
		"-5KB":                 -5 << 10,
		"99999999999999999999": math.MaxInt,
		"9999999999999999GB":   math.MaxInt,
		"-9999999999999999GB":  math.MinInt,
	} {
		if got, err := parseSize(text); got != want || err != nil {
			t.Errorf("%q: %d (error %v), want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "K", "MB", "1B", "1 K", " 1", "1K ", "1T", "1.5M", "1KBB", "1KK", "0x10", "1_000", "1e3", "--1", "1\u212a", "1i", "one", "99999999999999999999x",
	} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int]string{
		0: "0", 1: "1", 1000: "1000", 1024: "1KB", 4096: "4KB", 1 << 20: "1MB", 64 << 20: "64MB", 1 << 30: "1GB", 1<<30 + 1024: "1048577KB",
	} {
		if got := formatSize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// FuzzParseSize compares with a grammar and arithmetic that knows no end.
func FuzzParseSize(f *testing.F) {
	for _, text := range []string{"1", "64MB", "512k", "-1", "9223372036854775807", "9223372036854775808K", "1.5G", "", "5KiB", "+3", "20000000000000000000A"} {
		f.Add(text)
	}
	grammar := regexp.MustCompile(`^([+-]?[0-9]+)([kmgKMG]?)([bB]|[iI][bB]?)?$`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseSize(text)
		m := grammar.FindStringSubmatch(text)
		if m != nil && m[2] == "" && m[3] != "" {
			m = nil // bytes have no unit
		}
		if (err == nil) != (m != nil) {
			t.Fatalf("%q: %d (error %v), and by the grammar %q", text, got, err, m)
		}
		if err != nil {
			return
		}
		base := int64(1000)
		if m[3] != "" {
			base = 1024
		}
		want, _ := new(big.Int).SetString(m[1], 10)
		power := int64(strings.Index(" kmg", strings.ToLower(m[2] + " ")[:1]))
		want.Mul(want, new(big.Int).Exp(big.NewInt(base), big.NewInt(power), nil))
		switch {
		case want.Cmp(big.NewInt(math.MaxInt)) > 0:
			want.SetInt64(math.MaxInt)
		case want.Cmp(big.NewInt(math.MinInt)) < 0:
			want.SetInt64(math.MinInt)
		}
		if big.NewInt(int64(got)).Cmp(want) != 0 {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
		if again, err := parseSize(formatSize(got)); again != got || err != nil {
			t.Errorf("%q is written as %q, and read as %d (error %v)", text, formatSize(got), again, err)
		}
	})
}
