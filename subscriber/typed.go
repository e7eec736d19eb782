package subscriber

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// Codec turns values into the data of messages and back. Its methods may be
// called concurrently.
type Codec interface {
	// Encode returns the data for v.
	Encode(v any) ([]byte, error)
	// Decode sets what v points to. It keeps nothing of data.
	Decode(data []byte, v any) error
}

// JSON is the Codec of encoding/json.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Encode(v any) ([]byte, error)    { return json.Marshal(v) }
func (jsonCodec) Decode(data []byte, v any) error { return json.Unmarshal(data, v) }

// Typed is a subscription whose messages are values of type T:
//
//	orders := subscriber.Typed[Order]{Subscription: sub}
//	for order, err := range orders.Messages(ctx) {
type Typed[T any] struct {
	*Subscription

	// Codec is JSON when nil.
	Codec Codec
}

// TypedMsg is a message whose data is a value.
type TypedMsg[T any] struct {
	*Msg
	Value T

	codec Codec
}

// RespondValue is Respond with a value.
func (m *TypedMsg[T]) RespondValue(ctx context.Context, v any) error {
	data, err := m.codec.Encode(v)
	if err != nil {
		return fmt.Errorf("subscriber: respond: encode %T: %w", v, err)
	}
	return m.Respond(ctx, data)
}

// DecodeError says that the data of a message is not a value of the type that was
// wanted.
type DecodeError struct {
	Msg *Msg
	Err error // of the Codec
}

// Error returns the subject and why.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("subscriber: decode a message on %s (%d bytes): %v", e.Msg.Subject, len(e.Msg.Data), e.Err)
}

// Unwrap returns the codec's error.
func (e *DecodeError) Unwrap() error { return e.Err }

// Messages is Subscription.Messages with values. A message that cannot be decoded
// is yielded as nil and a *DecodeError that holds it; it is not the last, and
// whoever does not stop there gets the next one.
func (t Typed[T]) Messages(ctx context.Context) iter.Seq2[*TypedMsg[T], error] {
	return func(yield func(*TypedMsg[T], error) bool) {
		for m, err := range t.Subscription.Messages(ctx) {
			var typed *TypedMsg[T]
			if err == nil {
				typed, err = decode[T](t.Codec, m)
			}
			if !yield(typed, err) {
				return
			}
		}
	}
}

// TypedFunc makes a handler for SubscribeFunc of one for values. A nil codec is
// JSON. A message that cannot be decoded is given to it as nil and a
// *DecodeError that holds it.
func TypedFunc[T any](codec Codec, handler func(*TypedMsg[T], error)) func(*Msg) {
	return func(m *Msg) { handler(decode[T](codec, m)) }
}

func decode[T any](codec Codec, m *Msg) (*TypedMsg[T], error) {
	if codec == nil {
		codec = JSON
	}
	typed := &TypedMsg[T]{Msg: m, codec: codec}
	if err := codec.Decode(m.Data, &typed.Value); err != nil {
		return nil, &DecodeError{Msg: m, Err: err}
	}
	return typed, nil
}
