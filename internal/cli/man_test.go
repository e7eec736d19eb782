package cli

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestWriteMan(t *testing.T) {
	root := &cobra.Command{Use: "prog", Short: "Do things", Long: "It does things.\n\n  as -shown\n\n.odd \\line"}
	do := &cobra.Command{Use: "do THING", Short: "Do one", Long: "Do it.", Example: "  prog do it", Run: func(*cobra.Command, []string) {}}
	do.Flags().IntP("count", "c", 1, "so `many` times")
	do.Flags().Bool("quietly", false, "say \"nothing\"")
	do.Flags().Bool("secret", false, "not shown")
	_ = do.Flags().MarkHidden("secret")
	parent := &cobra.Command{Use: "group", Short: "A group"}
	parent.AddCommand(&cobra.Command{Use: "inner", Short: "Do the inner thing", Run: func(*cobra.Command, []string) {}})
	root.AddCommand(do, parent, &cobra.Command{Use: "hidden", Hidden: true, Run: func(*cobra.Command, []string) {}})
	var b strings.Builder
	if err := WriteMan(&b, root); err != nil {
		t.Fatal(err)
	}
	const want = `.TH "PROG" "1"
.SH "NAME"
prog \- Do things
.SH "SYNOPSIS"
.B "prog"
COMMAND [FLAG]... [ARGUMENT]...
.SH "DESCRIPTION"
It does things.
.PP
.nf
  as \-shown
.fi
.PP
\&.odd \eline
.SH "COMMANDS"
.SS "prog do THING [flags]"
Do it.
.TP
.B "\-c, \-\-count many"
so many times (default 1)
.TP
.B "\-\-quietly"
say "nothing"
.PP
Examples:
.nf
  prog do it
.fi
.SS "prog group inner"
Do the inner thing.
`
	if b.String() != want {
		t.Errorf("got\n%s", &b)
	}
	if path, err := exec.LookPath("groff"); err == nil { // its warnings are mistakes of ours
		cmd := exec.Command(path, "-man", "-Tascii", "-ww", "-z")
		cmd.Stdin = strings.NewReader(want)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("groff: %v\n%s", err, out)
		}
	}
}

func TestConsole(t *testing.T) {
	var b strings.Builder
	c := &Console{out: &b, terminal: true}
	c.SetStatus("1 of 3")
	c.SetStatus("1 of 3")
	c.Println("lost")
	c.SetStatus("")
	c.Println("resumed")
	if want := clearLine + "1 of 3" + clearLine + "lost\n1 of 3" + clearLine + "resumed\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c = NewConsole(f)
	c.SetStatus("1 of 3")
	c.Println("lost")
	if text, err := os.ReadFile(f.Name()); string(text) != "lost\n" || c.Terminal() {
		t.Errorf("to a file: %q, %v", text, err)
	}
}
