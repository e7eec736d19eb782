package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
)

// measureClientRequest is a measured round of a client that asks, and this
// process answers.
func measureClientRequest(ctx context.Context, t *target, timing timing) (sample, error) {
	defer spare()()
	service, err := dial(ctx, t.dialect, t.broker, true)
	if err != nil {
		return noSample(), err
	}
	defer service.Close()
	stop := context.AfterFunc(ctx, func() { _ = service.Close() })
	defer stop()
	if err := service.subscribe(t.dialect, t.dialect.appendSubscribe(nil, clientService, "", 1), 1); err != nil {
		return noSample(), err
	}
	failed := make(chan error, 1)
	var answering sync.WaitGroup
	// Ends with the connection.
	answering.Go(func() { failed <- answerClient(service) })
	defer answering.Wait()
	defer service.Close()
	c, err := t.control(ctx)
	if err != nil {
		return noSample(), err
	}
	defer c.close()
	s, err := t.clientWindow(ctx, c, timing, failed)
	if err != nil {
		return s, err
	}
	_, err = c.ask(controlStop)
	return s, err
}

// answerClient answers each request with its own payload, those that came
// together with one write.
func answerClient(c *conn) error {
	in := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(buffered(c)), c.Conn), readSize)
	var out []byte
	payload := make([]byte, clientRequests+len("\r\n"))
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return noEOF(err)
		}
		// MSG subject sid reply size
		if fields := bytes.Fields(line); len(fields) == 5 && string(fields[0]) == "MSG" && string(fields[4]) == strconv.Itoa(clientRequests) {
			out = append(append(append(out, "PUB "...), fields[3]...), ' ')
			out = append(append(out, fields[4]...), "\r\n"...)
			if _, err := io.ReadFull(in, payload); err != nil {
				return noEOF(err)
			}
			out = append(out, payload...)
		} else if answer, err := (natsDialect{}).control(line); err != nil {
			return fmt.Errorf("a request: %w", err)
		} else {
			out = append(out, answer...)
		}
		if in.Buffered() == 0 && len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return fmt.Errorf("answer: %w", err)
			}
			out = out[:0]
		}
	}
}

// buffered returns what was read of a connection already.
func buffered(c *conn) []byte {
	b, _ := c.lines.Peek(c.lines.Buffered()) // it is there
	return bytes.Clone(b)
}
