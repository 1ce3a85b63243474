package command

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// The shells ask the program itself: the library prints the words that may
// follow when the last argument is --generate-bash-completion.
var completions = map[string]string{
	"bash": `_PROG_complete() {
	local cur="${COMP_WORDS[COMP_CWORD]}" words=("${COMP_WORDS[@]:0:COMP_CWORD}")
	[[ "$cur" == -* ]] && words+=("$cur")
	COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o default -F _PROG_complete PROG
`,
	"zsh": `#compdef PROG
_PROG_complete() {
	local -a opts ask
	ask=("${(@)words[1,CURRENT-1]}")
	[[ "${words[CURRENT]}" == -* ]] && ask+=("${words[CURRENT]}")
	opts=("${(@f)$("${ask[@]}" --generate-bash-completion 2>/dev/null)}")
	[[ -n "${opts[1]}" ]] && compadd -a opts || _files
}
compdef _PROG_complete PROG
`,
	"fish": `complete -c PROG -f -a '(set -l w (commandline -opc); set -l c (commandline -ct); string match -q -- "-*" "$c"; and set -a w $c; $w --generate-bash-completion 2>/dev/null)'
`,
}

func completionCommand() *cli.Command {
	return command(&cli.Command{
		Name:  "completion",
		Usage: "print a completion script", ArgsUsage: "SHELL",
		Description: "SHELL is bash, zsh or fish. In bash and zsh, source <(...) takes it at once.",
	}, func(c *call) error {
		script, ok := completions[c.arg(0)]
		if !ok {
			return c.usage("unknown shell "+quote(c.arg(0)), "the nearest is "+nearest(c.arg(0), []string{"bash", "zsh", "fish"}))
		}
		return c.printf("%s", strings.ReplaceAll(script, "PROG", c.app.Name))
	})
}
