package wire

import (
	"encoding/json"
	"fmt"
)

// InfoLine is what a broker tells of itself in INFO. Unknown keys are ignored,
// absent keys leave their field at the zero value.
type InfoLine struct {
	ServerID   string `json:"server_id"`
	ServerName string `json:"server_name"`
	// Version is a semantic version: clients gate features on it.
	Version string `json:"version"`
	// Proto is 1 for brokers that know echo and send INFO again.
	Proto int    `json:"proto"`
	Go    string `json:"go,omitempty"`
	Host  string `json:"host"`
	Port  int    `json:"port"`
	// Headers says whether HPUB and HMSG are understood.
	Headers bool `json:"headers"`
	// MaxPayload bounds header and payload of a published message, in bytes.
	MaxPayload int64 `json:"max_payload"`
	// ClientID numbers the connection, unique per run of the broker.
	ClientID uint64 `json:"client_id,omitempty"`
	// ClientIP is the client's address as the broker sees it.
	ClientIP string `json:"client_ip,omitempty"`

	AuthRequired bool `json:"auth_required,omitempty"`
	TLSRequired  bool `json:"tls_required,omitempty"`
	TLSAvailable bool `json:"tls_available,omitempty"`
	// Nonce is to be signed by clients that authenticate with a key.
	Nonce string `json:"nonce,omitempty"`
	// ConnectURLs lists addresses of other brokers of the same cluster.
	ConnectURLs []string `json:"connect_urls,omitempty"`
	Cluster     string   `json:"cluster,omitempty"`
	// LameDuck is set when the broker is about to stop.
	LameDuck bool `json:"ldm,omitempty"`

	// ConnectInfo marks the INFO that follows a client's first PONG, which
	// also tells its account.
	ConnectInfo   bool   `json:"connect_info,omitempty"`
	RemoteAccount string `json:"remote_account,omitempty"`

	// Mutual says that the broker takes part in mutual hearing, see package
	// documentation. Vigil's own; stock brokers and clients do not know it.
	Mutual bool `json:"mutual,omitempty"`
	// WasHeard is the answer to ConnectLine.Was: how long ago the broker last
	// heard that connection, in milliseconds. Nil if it does not know it.
	WasHeard *int64 `json:"was_heard_ms,omitempty"`
}

// AppendInfo appends an INFO.
func AppendInfo(dst []byte, info *InfoLine) []byte {
	dst = append(dst, "INFO "...)
	dst = appendJSON(dst, info)
	return append(dst, " \r\n"...)
}

// ParseInfo decodes the argument of an INFO.
func ParseInfo(arg []byte) (*InfoLine, error) {
	info := new(InfoLine)
	if err := json.Unmarshal(arg, info); err != nil {
		return nil, fmt.Errorf("wire: INFO: %w", err)
	}
	return info, nil
}

// ConnectLine is what a client tells of itself in CONNECT.
type ConnectLine struct {
	// Verbose asks for +OK after every operation.
	Verbose bool `json:"verbose"`
	// Pedantic asks for the subjects of published messages to be checked.
	Pedantic bool `json:"pedantic"`
	// Echo asks for the connection's own messages on its own subscriptions.
	Echo bool `json:"echo"`
	// Headers says that HPUB is sent and HMSG understood.
	Headers bool `json:"headers"`
	// NoResponders asks for a 503 when nobody received a request.
	NoResponders bool `json:"no_responders"`
	// Protocol is 1 for clients that understand a later INFO.
	Protocol int `json:"protocol"`

	Lang    string `json:"lang,omitempty"`
	Version string `json:"version,omitempty"`
	Name    string `json:"name,omitempty"`

	User      string `json:"user,omitempty"`
	Pass      string `json:"pass,omitempty"`
	AuthToken string `json:"auth_token,omitempty"`
	JWT       string `json:"jwt,omitempty"`
	NKey      string `json:"nkey,omitempty"`
	Signature string `json:"sig,omitempty"`

	TLSRequired bool `json:"tls_required,omitempty"`

	// Mutual is sent to a broker whose INFO has Mutual: after so many
	// milliseconds without a byte from the client the broker shall say so. 0
	// asks for nothing.
	Mutual int64 `json:"mutual_ms,omitempty"`
	// Was names the connection that this one takes the place of.
	Was *Was `json:"was,omitempty"`

	// Account and NewAccount are refused by a broker without accounts.
	Account    string `json:"account,omitempty"`
	NewAccount bool   `json:"new_account,omitempty"`
}

// Was names a connection by its broker's INFO.
type Was struct {
	ServerID string `json:"server_id"`
	ClientID uint64 `json:"client_id"`
}

// DefaultConnect is what holds for a client before its first CONNECT, and for
// every key that this leaves out.
func DefaultConnect() ConnectLine {
	return ConnectLine{Verbose: true, Pedantic: true, Echo: true}
}

// AppendConnect appends a CONNECT.
func AppendConnect(dst []byte, connect *ConnectLine) []byte {
	dst = append(dst, "CONNECT "...)
	dst = appendJSON(dst, connect)
	return append(dst, crlf...)
}

// Merge decodes the argument of a CONNECT over c: keys that are not named keep
// their value, as a second CONNECT does. On an error c is unchanged.
func (c *ConnectLine) Merge(arg []byte) error {
	merged := *c
	if err := json.Unmarshal(arg, &merged); err != nil {
		return fmt.Errorf("wire: CONNECT: %w", err)
	}
	*c = merged
	return nil
}

// appendJSON appends v, structs of strings, numbers and booleans, which
// cannot fail to encode.
func appendJSON(dst []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("wire: " + err.Error())
	}
	return append(dst, text...)
}
