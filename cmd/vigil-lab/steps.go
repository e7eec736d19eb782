package main

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"

	"vigil/internal/bench"
)

// showSteps returns what shows the steps of a run as they begin: as a bar if out
// is a terminal, which live says, and otherwise not at all. stop removes it.
func showSteps(out io.Writer, live bool) (tell func(bench.Step), stop func()) {
	bar, stop := newBar(out, live)
	if bar == nil {
		return func(bench.Step) {}, stop
	}
	return func(s bench.Step) {
		bar.UpdateTotal(int64(s.All))
		bar.SetValue(int64(s.Done))
		bar.UpdateMessage(fmt.Sprintf("%s %s, %s", s.Scenario, s.Contender, s.What))
	}, stop
}

// newBar shows a bar below what is written to out if that is a terminal, which
// live says; otherwise it is nil. stop removes it.
func newBar(out io.Writer, live bool) (bar *progress.Tracker, stop func()) {
	if !live {
		return nil, func() {}
	}
	w := progress.NewWriter()
	w.SetOutputWriter(out)
	w.SetUpdateFrequency(200 * time.Millisecond)
	w.SetTrackerLength(20)
	w.SetMessageLength(44)
	w.SetStyle(progress.StyleBlocks)
	style := w.Style()
	style.Visibility.Value = false
	style.Options.PercentFormat = "%3.0f %%"
	style.Options.Separator = " "
	style.Options.TimeInProgressPrecision = time.Second
	bar = &progress.Tracker{Message: "starting", RemoveOnCompletion: true}
	w.AppendTracker(bar)
	ended := make(chan struct{})
	// Owned by the caller; ends with stop, which waits for it.
	go func() {
		defer close(ended)
		w.Render()
	}()
	return bar, func() {
		bar.MarkAsDone()
		w.Stop()
		<-ended
	}
}
