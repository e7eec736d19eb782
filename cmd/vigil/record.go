package main

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"

	"vigil/subscriber"
)

// record is a line of --json. Times are RFC 3339; what is not known is left out.
type record struct {
	Type string    `json:"type"` // message, reply, ping, summary or event
	Time time.Time `json:"time,omitzero"`

	// Of messages and replies. Data is the payload as text, or, when it is no
	// UTF-8, Base64 is.
	Subject string              `json:"subject,omitempty"`
	Reply   string              `json:"reply,omitempty"`
	Header  map[string][]string `json:"header,omitempty"`
	Status  int                 `json:"status,omitempty"`
	Data    *string             `json:"data,omitempty"`
	Base64  []byte              `json:"base64,omitempty"`

	// Of replies and pings: round-trip times in milliseconds, of the PING or the
	// request, and as the kernel has it.
	Seq       int      `json:"seq,omitempty"`
	RTT       *float64 `json:"rtt_ms,omitempty"`
	KernelRTT *float64 `json:"kernel_rtt_ms,omitempty"`
	Sent      int      `json:"segments,omitempty"`
	Resent    *int     `json:"retransmitted,omitempty"`
	State     string   `json:"state,omitempty"`

	// Of a summary of pings.
	Pings    int      `json:"pings,omitempty"`
	Answered *int     `json:"answered,omitempty"`
	Loss     *float64 `json:"loss_percent,omitempty"`
	Min      *float64 `json:"rtt_min_ms,omitempty"`
	Avg      *float64 `json:"rtt_avg_ms,omitempty"`
	Max      *float64 `json:"rtt_max_ms,omitempty"`
	P50      *float64 `json:"rtt_p50_ms,omitempty"`
	P99      *float64 `json:"rtt_p99_ms,omitempty"`

	// Of events.
	Event       string    `json:"event,omitempty"`
	Server      string    `json:"server,omitempty"`
	Cause       string    `json:"cause,omitempty"`
	Attempt     int       `json:"attempt,omitempty"`
	DeafFrom    time.Time `json:"deaf_from,omitzero"`
	DeafTo      time.Time `json:"deaf_to,omitzero"`
	Unconfirmed int64     `json:"unconfirmed,omitempty"`
	Missed      int       `json:"events_missed,omitempty"`
	Text        string    `json:"text,omitempty"` // the event as text has it
	Error       string    `json:"error,omitempty"`
}

// encode returns a record as one line, without its end.
func encode(r record) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		panic(err) // strings, numbers and times of this century can be encoded
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// payload sets Data, or Base64.
func (r *record) payload(data []byte) {
	if utf8.Valid(data) {
		r.Data = new(string(data))
	} else {
		r.Base64 = data
	}
}

// messageOf returns the record of a message.
func messageOf(m *subscriber.Msg, at time.Time) record {
	r := record{Type: "message", Time: at, Subject: m.Subject, Reply: m.Reply, Header: m.Header, Status: m.Status}
	if m.HeaderErr != nil {
		r.Error = m.HeaderErr.Error()
	}
	r.payload(m.Data)
	return r
}

// eventOf returns the record of an event.
func eventOf(e subscriber.Event) record {
	r := record{Type: "event", Time: e.At, Event: e.Kind.String(), Server: e.Server, Attempt: e.Attempt,
		DeafFrom: e.DeafFrom, DeafTo: e.DeafTo, Unconfirmed: e.Unconfirmed.Messages, Missed: e.Missed, Subject: e.Subject, Text: e.String()}
	switch {
	case e.Loss != nil:
		r.Cause = e.Loss.Cause.String()
	case e.Kind == subscriber.EventSuspect:
		r.Cause = e.Cause.String()
	}
	if e.Err != nil {
		r.Error = e.Err.Error()
	}
	return r
}

// ms returns d in milliseconds.
func ms(d time.Duration) *float64 { return new(float64(d) / float64(time.Millisecond)) }
