package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"
)

// outputFlag is -o with these formats, of which the first is the default.
func outputFlag(formats ...string) cli.Flag {
	return &cli.StringFlag{
		Name: "output", Aliases: []string{"o"}, Value: formats[0],
		Usage: "print as `FORMAT`: " + strings.Join(formats, ", "),
		Action: func(lib *cli.Context, format string) error {
			for _, f := range formats {
				if f == format {
					return nil
				}
			}
			return libraryUsage(lib, fmt.Errorf("unknown format %q: the nearest is %s", format, nearest(format, formats)), true)
		},
	}
}

func (c *call) format() string { return c.flags.String("output") }

// printf writes to stdout. What could not be written, to a full disk say, is an
// error of the command: half an answer with the code 0 would be taken for a
// whole one.
func (c *call) printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(c.app.Writer, format, args...); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// note tells a person what is going on, on stderr.
func (c *call) note(format string, args ...any) { say(c.app.ErrWriter, c.app.Name, format, args...) }

// json prints v, indented.
func (c *call) json(v any) error { return writeJSON(c.app.Writer, v, "  ") }

// jsonLine prints v in one line.
func (c *call) jsonLine(v any) error { return writeJSON(c.app.Writer, v, "") }

func writeJSON(w io.Writer, v any, indent string) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// yaml prints v as YAML, with the keys that its JSON has.
func (c *call) yaml(v any) error {
	var b bytes.Buffer
	if err := writeJSON(&b, v, ""); err != nil {
		return err
	}
	y, err := yaml.JSONToYAML(b.Bytes())
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return c.printf("%s", y)
}

// plain is s for a line of text: as it is if it can be read, else quoted.
func plain(s string) string {
	if !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
