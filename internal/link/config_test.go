package link

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/heartbeat"
)

func TestConfigIsValidated(t *testing.T) {
	for want, cfg := range map[string]Config{
		"":                                   {},
		"AttemptTimeout is -1s":              {AttemptTimeout: -time.Second},
		"RetryBase is -1s":                   {RetryBase: -time.Second},
		"RetryBase is 50ms and RetryCap 1ms": {RetryCap: time.Millisecond},
		"OutBuffer is -1":                    {OutBuffer: -1},
		"heartbeat: config: Idle is 1ns":     {Heartbeat: heartbeat.Config{Idle: 1, Interval: time.Second, Probes: 1}},
	} {
		err := cfg.withDefaults().validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", cfg, err, want)
		}
	}
	if _, err := Connect(t.Context(), "a", Config{OutBuffer: -1}); err == nil {
		t.Error("Connect takes a bad Config")
	}
	if c := (Config{RetryBase: time.Hour}).withDefaults(); c.RetryCap != time.Hour || c.validate() != nil {
		t.Errorf("a long RetryBase alone: %+v", c)
	}
}

func TestLoggerGetsEveryEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.peer.start()
		var log bytes.Buffer // written by the events' goroutine, for which Close waits
		r.connect(Config{Logger: slog.New(slog.NewTextHandler(&log, nil)), Name: "logged"})
		r.end()
		for _, want := range []string{"msg=connection event=connected server=nats://broker:4222", "event=closed"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("log %q does not contain %q", log.String(), want)
			}
		}
	})
}
