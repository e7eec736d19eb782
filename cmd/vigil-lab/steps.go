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
	if !live {
		return func(bench.Step) {}, func() {}
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
	tracker := &progress.Tracker{Message: "starting", RemoveOnCompletion: true}
	w.AppendTracker(tracker)
	ended := make(chan struct{})
	// Owned by the caller; ends with stop, which waits for it.
	go func() {
		defer close(ended)
		w.Render()
	}()
	tell = func(s bench.Step) {
		tracker.UpdateTotal(int64(s.All))
		tracker.SetValue(int64(s.Done))
		tracker.UpdateMessage(fmt.Sprintf("%s %s, %s", s.Scenario, s.Contender, s.What))
	}
	return tell, func() {
		tracker.MarkAsDone()
		w.Stop()
		<-ended
	}
}
