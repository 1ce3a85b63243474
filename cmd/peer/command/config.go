package command

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/internal/pki"
	"github.com/quorate/quorate/internal/problem"
)

func configCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "config",
		Usage: "the configuration that run would take",
		Description: "Each key is looked for in the flags, then in the environment (PEER_ and the key\n" +
			"in upper case; lists with commas), then in the file. A key that nobody knows is\n" +
			"an error.",
	},
		command(&cli.Command{
			Name:  "show",
			Usage: "print the configuration, defaults included",
			Description: "What is printed can be used as a file. No secret is ever printed, only the name\n" +
				"of the file that holds it.",
			Flags: append(configFlags(), &cli.BoolFlag{Name: "origin", Usage: "say where each value comes from", DisableDefaultText: true}),
		}, runConfigShow),
		command(&cli.Command{
			Name:  "check",
			Usage: "say whether run would take the configuration",
			Description: "Reads what run would read, the secret and the certificates included, and opens\n" +
				"nothing. Ends with 78 if a person must mend something.",
			Flags: configFlags(),
		}, runConfigCheck),
	)
}

func runConfigShow(c *call) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	// What does not go together is shown too: it is why one looks.
	if err := s.complete(); err != nil {
		c.note("%v", err)
	}
	return c.printf("%s", s.yaml(c.flags.Bool("origin")))
}

func runConfigCheck(c *call) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	if err := s.demand(); err != nil {
		return err
	}
	if err := s.complete(); err != nil {
		return err
	}
	if err := s.readSecrets(); err != nil {
		return err
	}
	if len(s.Join) == 0 {
		return c.printf("in order: %s, a node alone\n", plain(s.Name))
	}
	return c.printf("in order: %s, a node of cluster %s with %d voters\n", plain(s.Name), s.Cluster, s.Voters)
}

// demand refuses a daemon that nobody has configured.
func (s *settings) demand() error {
	for path, origin := range s.origins {
		if path != "socket" && origin != "" {
			return nil
		}
	}
	return mend("there is no configuration", "no "+defaultConfig+", no PEER_ variable and no flag says what this node is",
		"write into "+defaultConfig+", the same on every machine:\n  cluster: acme\n  join: [10.0.0.1, 10.0.0.2, 10.0.0.3]\n"+
			"and copy "+defaultSecret+" there, made once: (umask 077; peer secret new >"+defaultSecret+")\n"+
			"a node alone needs only data_dir; to try things, peer dev needs nothing")
}

// readSecrets reads what Start would read of keys and certificates.
func (s *settings) readSecrets() error {
	switch {
	case s.secretFile == "":
	case s.origins["secret_file"] == fromCredential:
		text, err := readConfig(s.secretFile)
		if err == nil {
			_, err = pki.ParseSecret(string(text))
		}
		if err != nil {
			return s.explain(err)
		}
	default:
		if _, err := pki.ReadSecretFile(s.secretFile); err != nil {
			return s.explain(err)
		}
	}
	if t := s.TLS; t.CAFile+t.CertFile+t.KeyFile != "" {
		_, problems, err := pki.CheckOwn(pki.Own{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ClientCertFile: t.ClientCertFile,
			ClientKeyFile: t.ClientKeyFile, ServerName: t.ServerName, AllowedCNs: t.AllowedCNs}, time.Now())
		if err != nil {
			return s.explain(err)
		}
		for _, p := range problems {
			return s.explain(&problem.Error{Problem: p})
		}
	}
	return nil
}

// yaml is the configuration as a file.
func (s *settings) yaml(origins bool) string {
	var lines, from []string
	width, was := 0, ""
	for _, k := range keys {
		value := k.get(*s)
		if value == "" {
			continue
		}
		name := k.path
		if g := k.group(); g != k.path {
			if g != was {
				lines, from = append(lines, g+":"), append(from, "")
			}
			was, name = g, "  "+strings.TrimPrefix(k.path, g+".")
		}
		origin := s.origins[k.path]
		if origin == "" {
			origin = "default"
		}
		lines, from = append(lines, name+": "+value), append(from, "  # "+origin)
		width = max(width, utf8.RuneCountInString(lines[len(lines)-1]))
	}
	var b strings.Builder
	for i, l := range lines {
		if origins && from[i] != "" {
			l += strings.Repeat(" ", width-utf8.RuneCountInString(l)) + from[i]
		}
		fmt.Fprintln(&b, l)
	}
	return b.String()
}

// fields finds the names that node's texts have for keys: DataDir, BasePort.
// Where the file has another word, secret_file for Secret, it is listed.
var fields = func() map[string]string {
	m := map[string]string{"Secret": "secret_file", "Ports": "ports", "TLS": "tls", "Timing": "timing", "Tick": "timing.tick", "Election": "timing.election", "CloseTimeout": "CloseTimeout"}
	for _, k := range keys {
		if k.group() != k.path {
			continue
		}
		field := ""
		for part := range strings.SplitSeq(k.path, "_") {
			field += strings.ToUpper(part[:1]) + part[1:]
		}
		m[strings.NewReplacer("Wal", "WAL", "Ttl", "TTL").Replace(field)] = k.path
	}
	return m
}()

var fieldWord = regexp.MustCompile(`\b[A-Z][A-Za-z]+\b`)

// explain puts node's words for a person who writes a file, and says where
// what they speak of was set.
func (s *settings) explain(err error) error {
	var p *problem.Error
	if !errors.As(err, &p) {
		return err
	}
	told := *p
	var where []string
	for _, text := range []*string{&told.What, &told.Why, &told.Do} {
		*text = fieldWord.ReplaceAllStringFunc(*text, func(word string) string {
			path, ok := fields[word]
			if !ok {
				return word
			}
			return path
		})
	}
	for _, k := range keys {
		if origin := s.origins[k.path]; origin != "" && strings.Contains(" "+told.What+" ", " "+k.group()+" ") {
			where = append(where, k.path+" is set in "+origin)
		}
	}
	if len(where) > 0 {
		told.Why += " (" + strings.Join(where, ", ") + ")"
	}
	return &coded{codeMend, &problem.Error{Problem: told.Problem, Err: err}}
}
