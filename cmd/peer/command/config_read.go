package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/internal/problem"
	"github.com/quorate/quorate/node"
)

// envPrefix begins the variables of the environment that configure a daemon.
const envPrefix = "PEER_"

// Of these, peer lock sets all three for its command, which may be peer run.
const (
	envSocket = "PEER_SOCKET"
	envKey    = "PEER_LOCK_KEY"
	envFence  = "PEER_FENCE"
)

// fromCredential is the origin of a secret that systemd handed over.
const fromCredential = "LoadCredential"

// maxConfig bounds a configuration file, in bytes.
const maxConfig = 1 << 20

// configFlags are the flags of the commands that read a configuration.
func configFlags() []cli.Flag {
	flags := []cli.Flag{&cli.StringFlag{Name: "config", Usage: "read the configuration `FILE`", DefaultText: defaultConfig + ", if it exists", TakesFile: true}}
	for _, k := range keys {
		flags = append(flags, keyFlag{&cli.StringFlag{Name: k.flag(), Usage: k.usage}, k})
	}
	return flags
}

// A keyFlag is a key as a flag.
type keyFlag struct {
	*cli.StringFlag
	key key
}

// String is the flag's line in the help.
func (f keyFlag) String() string {
	line := "--" + f.Name + " " + f.key.takes + "\t" + f.Usage
	if f.key.fallback != "" {
		line += " (default: " + f.key.fallback + ")"
	}
	return line
}

// settings reads the configuration: the file, then what the environment says
// otherwise, then what the flags say.
func (c *call) settings() (*settings, error) {
	s := &settings{origins: map[string]string{}}
	file, chosen := defaultConfig, c.flags.IsSet("config")
	if chosen {
		file = c.flags.String("config")
	}
	text, err := readConfig(file)
	switch {
	case err == nil:
		s.base = file
		if err := s.readFile(file, text); err != nil {
			return nil, err
		}
	case chosen || !errors.Is(err, fs.ErrNotExist):
		return nil, mend("the configuration "+file+" cannot be read", err.Error(), "make it readable for this user, or name another with --config")
	}
	if err := s.readEnv(os.Environ()); err != nil {
		return nil, err
	}
	for _, k := range keys {
		if !c.flags.IsSet(k.flag()) {
			continue
		}
		text := c.flags.String(k.flag())
		if err := k.set(s, "--"+k.flag(), k.split(text)); err != nil {
			return nil, c.badFlag(err)
		}
	}
	return s, nil
}

// badFlag makes a usage error of a value that cannot be read.
func (c *call) badFlag(err error) error {
	var p *problem.Error
	if errors.As(err, &p) {
		return c.usage(p.What, p.Why)
	}
	return err
}

func readConfig(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	if n, err := io.Copy(&b, io.LimitReader(f, maxConfig+1)); err != nil {
		return nil, err
	} else if n > maxConfig {
		return nil, fmt.Errorf("it has more than %d bytes", maxConfig)
	}
	return b.Bytes(), nil
}

// readEnv takes the variables that begin with PEER_. An empty one counts as not
// set.
func (s *settings) readEnv(environ []string) error {
	env := map[string]string{}
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, envPrefix) && value != "" {
			env[name] = value
		}
	}
	if env[envKey] != "" { // the socket is that of the node that has the lock
		delete(env, envSocket)
	}
	delete(env, envKey)
	delete(env, envFence)
	var names []string
	for _, k := range keys {
		names = append(names, k.env())
		if text, ok := env[k.env()]; ok {
			delete(env, k.env())
			if err := k.set(s, k.env(), k.split(text)); err != nil {
				return err
			}
		}
	}
	var unknown []string
	for name := range env {
		unknown = append(unknown, name)
	}
	if len(unknown) == 0 {
		return nil
	}
	name := slices.Min(unknown)
	why := "the nearest is " + nearest(name, names)
	if text, ok := notKeys[strings.ToLower(strings.TrimPrefix(name, envPrefix))]; ok {
		why = text
	}
	return mend("the environment has the unknown variable "+name, why, "correct it, or unset "+name)
}

// split reads a value that the environment or a flag gives as one text.
func (k key) split(text string) []string {
	if !k.isList() {
		return []string{text}
	}
	var texts []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			texts = append(texts, item)
		}
	}
	return texts
}

// complete adds what holds where nobody has set anything, and refuses what does
// not go together.
func (s *settings) complete() error {
	for _, k := range keys {
		if k.fallback == "" || s.origins[k.path] != "" || k.path == "base_port" && (len(s.Join) == 0 || s.Ports != nil) {
			continue
		}
		if err := k.set(s, "", []string{k.fallback}); err != nil {
			return err
		}
	}
	if len(s.Join) > 0 || s.secretFile != "" {
		if err := s.secret(); err != nil {
			return err
		}
	}
	filled, err := s.Config.Check()
	if err != nil {
		return s.explain(err)
	}
	s.Config = filled
	return nil
}

// secret finds the cluster secret: where it was said to be, else in systemd's
// credential, else in the usual file.
func (s *settings) secret() error {
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); s.secretFile == "" && dir != "" {
		file := filepath.Join(dir, credential)
		text, err := readConfig(file)
		if err == nil {
			// Its modes are systemd's affair: it lets this user alone read it, by an
			// access list that looks like an open mode.
			s.secretFile, s.origins["secret_file"] = file, fromCredential
			s.Secret = node.SecretText(string(text))
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return mend("the credential "+file+" cannot be read", err.Error(), "see LoadCredential= of the unit")
		}
	}
	if s.secretFile == "" {
		s.secretFile = defaultSecret
	}
	s.Secret = node.SecretFile(s.secretFile)
	return nil
}
