package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"github.com/jedib0t/go-pretty/v6/text"

	"vigil/internal/bench"
	"vigil/internal/cli"
	"vigil/internal/qos"
)

// showSteps returns what shows the steps of a bench as they begin.
func showSteps(out io.Writer, live bool) (tell func(bench.Step), stop func()) {
	show, stop := showBar(out, live)
	return func(s bench.Step) {
		show(int64(s.Done), int64(s.All), fmt.Sprintf("%s %s, %s", s.Scenario, s.Contender, s.What))
	}, stop
}

// showCells returns what shows the cells of a simulation as they are done.
func showCells(out io.Writer, live bool, all int) (tell func(int, qos.Cell), stop func()) {
	show, stop := showBar(out, live)
	return func(done int, c qos.Cell) { show(int64(done), int64(all), c.Model.Name+", "+c.Detector.Name) }, stop
}

// showBar returns what shows how far a run is: as a bar if out is a terminal,
// which live says, and otherwise not at all. stop removes it.
func showBar(out io.Writer, live bool) (show func(done, all int64, message string), stop func()) {
	if !live {
		return func(int64, int64, string) {}, func() {}
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
	show = func(done, all int64, message string) {
		tracker.UpdateTotal(all)
		tracker.SetValue(done)
		tracker.UpdateMessage(message)
	}
	return show, func() {
		tracker.MarkAsDone()
		w.Stop()
		<-ended
	}
}

// coloured sets whether tables are, as standard output wants it.
func coloured() {
	if cli.Colour(os.Stdout) {
		text.EnableColors()
	} else {
		text.DisableColors()
	}
}
