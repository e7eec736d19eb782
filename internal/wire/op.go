package wire

// Kind says what an operation is.
type Kind uint8

// The operations of the protocol. None is what [Parser.Next] reports when it
// has consumed bytes that complete no operation.
const (
	None Kind = iota
	Info
	Connect
	Pub
	HPub
	Sub
	Unsub
	Msg
	HMsg
	Ping
	Pong
	OK
	Err
)

var kindNames = [...]string{
	None: "none", Info: "INFO", Connect: "CONNECT", Pub: "PUB", HPub: "HPUB",
	Sub: "SUB", Unsub: "UNSUB", Msg: "MSG", HMsg: "HMSG", Ping: "PING",
	Pong: "PONG", OK: "+OK", Err: "-ERR",
}

// String returns the operation's name on the wire.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Op is one operation. Its slices alias the buffer given to [Parser.Next] and
// are valid until that buffer is overwritten; only the fields named for its
// kind are set, the others keep what an earlier operation left there.
type Op struct {
	Kind Kind

	// Arg is the JSON of Info and Connect, the text of Err with its quotes, and
	// what stands behind the name of a Ping, without blanks around it, if the
	// whole line is shorter than 32 bytes: stock peers send nothing there.
	Arg []byte

	// Subject is set for Pub, HPub, Sub, Msg and HMsg.
	Subject []byte
	// Reply is set for Pub, HPub, Msg and HMsg; nil when there is none.
	Reply []byte
	// Queue is set for Sub; nil for a plain subscription.
	Queue []byte
	// SID is set for Sub, Unsub, Msg and HMsg.
	SID []byte
	// Max is set for Unsub: the total of messages after which the
	// subscription ends; 0 or less means at once.
	Max int64

	// SizeText holds the digits of the total size as they were sent: a broker
	// echoes them verbatim. Set for Pub, HPub, Msg and HMsg.
	SizeText []byte
	// HeaderSizeText holds the digits of the header size as they were sent.
	// Set for HPub and HMsg.
	HeaderSizeText []byte
	// HeaderLen is the length of the header block at the start of Frame; 0
	// for Pub and Msg.
	HeaderLen int
	// Frame is the header block, the payload and the CRLF behind them. Set
	// for Pub, HPub, Msg and HMsg.
	Frame []byte
	// Tail is all that stands behind the subject of a Pub as it was sent, which
	// is also what stands behind the sid of the MSG that it becomes; nil if it
	// was not sent as a broker would. Set for Pub and HPub.
	Tail []byte
}

// Header returns the header block of a message, empty if it has none.
func (o *Op) Header() []byte { return o.Frame[:o.HeaderLen] }

// Payload returns the payload of a message, without header and CRLF.
func (o *Op) Payload() []byte { return o.Frame[o.HeaderLen : len(o.Frame)-2] }
