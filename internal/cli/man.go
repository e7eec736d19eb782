package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// WriteMan writes a manual page for a program and all its commands, in roff with
// the macros of man(7).
func WriteMan(w io.Writer, root *cobra.Command) error {
	m := &man{}
	m.macro("TH", strings.ToUpper(root.Name()), "1")
	m.macro("SH", "NAME")
	m.text(root.Name() + " - " + root.Short)
	m.macro("SH", "SYNOPSIS")
	m.macro("B", root.Name())
	m.text("COMMAND [FLAG]... [ARGUMENT]...")
	if root.Long != "" {
		m.macro("SH", "DESCRIPTION")
		m.paragraphs(root.Long)
	}
	m.macro("SH", "COMMANDS")
	m.commands(root)
	_, err := io.WriteString(w, m.String())
	return err
}

// man collects a page.
type man struct{ strings.Builder }

// commands writes the commands below cmd that do something.
func (m *man) commands(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.Hidden || !c.IsAvailableCommand() || c.Name() == "help" {
			continue
		}
		if c.Runnable() {
			m.command(c)
		}
		m.commands(c)
	}
}

func (m *man) command(c *cobra.Command) {
	m.macro("SS", c.UseLine())
	if c.Long != "" {
		m.paragraphs(c.Long)
	} else {
		m.text(c.Short + ".")
	}
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			m.flag(f)
		}
	})
	if c.Example != "" {
		m.macro("PP")
		m.text("Examples:")
		m.verbatim(c.Example)
	}
}

// flag writes a flag, its argument and its default.
func (m *man) flag(f *pflag.Flag) {
	argument, usage := pflag.UnquoteUsage(f)
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if argument != "" {
		name += " " + argument
	}
	m.macro("TP")
	m.macro("B", name)
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "[]" {
		usage += " (default " + f.DefValue + ")"
	}
	m.text(usage)
}

// paragraphs writes text whose paragraphs are separated by empty lines; those
// that are indented keep their lines.
func (m *man) paragraphs(text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			m.macro("PP")
		}
		if strings.HasPrefix(p, " ") {
			m.verbatim(p)
		} else {
			m.text(p)
		}
	}
}

func (m *man) verbatim(text string) {
	m.macro("nf")
	m.text(text)
	m.macro("fi")
}

// macro writes a request with its arguments.
func (m *man) macro(name string, args ...string) {
	m.WriteString("." + name)
	for _, a := range args {
		fmt.Fprintf(m, ` "%s"`, strings.ReplaceAll(escape(a), `"`, `\(dq`))
	}
	m.WriteByte('\n')
}

// text writes lines of text, none of which is taken for a request.
func (m *man) text(text string) {
	for line := range strings.Lines(text) {
		line = escape(strings.TrimRight(line, "\n"))
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		m.WriteString(line + "\n")
	}
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
}
