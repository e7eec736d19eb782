package qos

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"
)

// jsonResult is a Result as it is written.
type jsonResult struct {
	Model     string     `json:"model"`
	Detector  string     `json:"detector"`
	Detection jsonSpread `json:"td_ms"`
	Mistakes  float64    `json:"mistakes_per_30d"`
	Mistake   *float64   `json:"mistake_ms"` // null without mistakes
	Accuracy  float64    `json:"accuracy"`
	Bytes     float64    `json:"bytes_per_s"`
	Days      float64    `json:"simulated_days"`
}

type jsonSpread struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// WriteJSON writes the results, an object a line.
func WriteJSON(w io.Writer, results []Result) error {
	enc := json.NewEncoder(w)
	for _, r := range results {
		j := jsonResult{
			Model: r.Model.Name, Detector: r.Detector.Name,
			Detection: jsonSpread{milliseconds(r.Detection.Min), milliseconds(r.Detection.Mean), milliseconds(r.Detection.P99), milliseconds(r.Detection.Max)},
			Mistakes:  math.Round(r.MistakesPer30Days()*1000) / 1000,
			Accuracy:  r.Accuracy,
			Bytes:     math.Round(r.BytesPerSecond*10) / 10,
			Days:      r.Days,
		}
		if r.Mistakes > 0 {
			j.Mistake = new(milliseconds(r.MistakeTime))
		}
		if err := enc.Encode(j); err != nil {
			return fmt.Errorf("qos: write results: %w", err)
		}
	}
	return nil
}

// milliseconds rounds to a tenth of one.
func milliseconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e4) / 10 }
