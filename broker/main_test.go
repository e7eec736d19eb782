package broker

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

var long = flag.Bool("long", false, "play 20,000 random dialogues instead of 500, and measure what a busy machine blurs")

func TestMain(m *testing.M) {
	if config, ok := os.LookupEnv(childVariable); ok {
		serveAsChild(config)
		return
	}
	if config, ok := os.LookupEnv(attackVariable); ok {
		attackAsChild(config)
		return
	}
	goleak.VerifyTestMain(m)
}
