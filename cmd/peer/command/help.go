package command

import (
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// helpTemplate is for the library's printer, which aligns what is separated by
// tabs.
const helpTemplate = `{{.Name}}{{if .About}} - {{.About}}{{end}}

usage: {{.Usage}}
{{if .Text}}
{{.Text}}
{{end}}{{if .Commands}}
commands:
{{range .Commands}}   {{.Name}}{{"\t"}}{{.Usage}}
{{end}}{{end}}{{if .Flags}}
flags:
{{range .Flags}}   {{.}}
{{end}}{{end}}`

// showHelp prints the help of the last command of the path.
func showHelp(w io.Writer, path []level) {
	at := path[len(path)-1]
	var commands []*cli.Command
	for _, c := range at.commands {
		if !c.Hidden {
			commands = append(commands, c)
		}
	}
	cli.HelpPrinter(w, helpTemplate, map[string]any{
		"Name": pathName(path), "About": at.about, "Usage": usageLine(path), "Text": at.text,
		"Commands": commands, "Flags": append(flagLines(at.flags), "--help, -h\tshow this"),
	})
}

// usageLine is the command line in one line.
func usageLine(path []level) string {
	at := path[len(path)-1]
	words := []string{pathName(path)}
	switch {
	case at.runs:
		words = append(words, "[FLAGS] [COMMAND]")
	case len(at.commands) > 0:
		words = append(words, "COMMAND")
	case len(flagLines(at.flags)) > 0:
		words = append(words, "[FLAGS]")
	}
	if at.takes != "" {
		words = append(words, at.takes)
	}
	return strings.Join(words, " ")
}
