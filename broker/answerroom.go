package broker

// maxAnswer bounds the text of one answer of the monitor, in bytes: a list ends
// where it would be more. It is enough for maxListed connections with names of
// some letters.
const maxAnswer = 32 << 20

// connCost and subCost are what a connection and a subscription take in an
// answer, beside the text that a client chose; roughly, and rather more.
const (
	connCost = 500
	subCost  = 150
)

// answerRoom is how much more text an answer may have.
type answerRoom int

// take claims room for something of a size, with texts. It reports false when
// there is not enough, and then there is none for anything else either.
func (r *answerRoom) take(size int, texts ...string) bool {
	for _, text := range texts {
		size += escaped(text)
	}
	if *r -= answerRoom(size); *r < 0 {
		*r = 0
		return false
	}
	return true
}

// fit returns as many of the subscriptions as there is room for.
func (r *answerRoom) fit(subs []subDetail) []subDetail {
	for i := range subs {
		if s := &subs[i]; !r.take(subCost, s.Subject, s.Queue, s.SID) {
			return subs[:i]
		}
	}
	return subs
}

// escaped returns how long a text is in JSON at most.
func escaped(text string) int {
	size := len(text)
	for i := range len(text) {
		if b := text[i]; b < ' ' || b > '~' || b == '<' || b == '>' || b == '&' || b == '"' || b == '\\' {
			size += len(`\u003e`) - 1
		}
	}
	return size
}
