package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// badRow is one way in which people get it wrong. It is either refused, then
// peer run says so and ends with exit; or waited for, then peer run stays up,
// status has the problem code, and wait-ready --quorum ends with exit. In both
// cases the three texts are patterns that what, why and do must contain, with
// {a} for box a's address and {a.x} for its configuration.
type badRow struct {
	name          string
	boxes         int          // 0 is 1; the last is the one that is looked at
	spoil         func(*scene) // brings the scene to where the last box is to be started
	exit          int
	code          string // of the problem; "" is a refusal
	what, why, do string
	also          func(*scene) // what else must hold while it waits
	mend          func(*scene) // what a person does then; all boxes must form one cluster after it
}

// required is what must have a row: the bad inputs that the product's promise
// names. A machine whose clock stands at 1970 is not among them: no process can
// be given a wall clock of its own (time namespaces leave CLOCK_REALTIME alone),
// so its problem, clock-wrong, is in the pure table of package node, and
// certificates under such a clock in that of package pki.
var required = []string{
	"another secret", "mistyped secret", "typed password", "secret open to others", "another cluster name",
	"voters differ", "even voters", "too many voters", "join lists differ",
	"join address unreachable", "join by host name", "stranger at a join address", "foreign TLS server at a join address", "virtual address",
	"loopback beside another address", "loopback advertised to others", "link-local join address", "one join address twice", "this machine twice",
	"one data directory twice", "data directory of another cluster", "data directory of another secret", "data directory of a single node", "single node on a cluster's data directory",
	"copied data directory", "rolled-back data directory", "data directory open to others", "damaged state file",
	"gossip port in use", "gossip UDP port in use", "cluster RPC port in use", "raft port in use",
	"foreign certificate of one's own", "other authority than the others", "expired certificate of one's own", "open key of one's own",
	"unknown key", "value of the wrong type", "unknown variable", "unknown flag", "no configuration", "no space",
}

func TestBadInput(t *testing.T) {
	rows := badRows()
	for _, name := range required {
		if !slices.ContainsFunc(rows, func(r badRow) bool { return r.name == name }) {
			t.Errorf("no row for: %s", name)
		}
	}
	atOnce := make(chan struct{}, 4)
	for _, row := range rows {
		if !slices.Contains(required, row.name) {
			t.Errorf("%s is not a required row", row.name)
		}
		t.Run(strings.ReplaceAll(row.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			began := time.Now()
			s := newScene(t, max(row.boxes, 1))
			row.spoil(s)
			if row.code == "" {
				row.refused(s)
			} else {
				row.waits(s)
			}
			t.Logf("took %v", time.Since(began).Round(time.Millisecond))
		})
	}
}

// refused runs the last box, which must end by itself, say what, why and do,
// and leave what is on its disk.
func (r badRow) refused(s *scene) {
	b := s.boxes[len(s.boxes)-1]
	before := b.kept()
	c := b.runCommand()
	if b.before != nil {
		c = b.before(c)
	}
	var errs bytes.Buffer
	c.Stderr = &errs
	s.ok(c.Start())
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			s.Fatal(err)
		}
	case <-time.After(rowGrace):
		c.Process.Kill()
		s.Fatalf("it runs on:\n%s", &errs)
	}
	if code := c.ProcessState.ExitCode(); code != r.exit {
		s.Errorf("it ended with %d, want %d", code, r.exit)
	}
	var told [3]string // what, why, do
	field := 0
	for line := range strings.Lines(errs.String()) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "peer: ")
		if !ok {
			continue // of the log
		}
		for i, word := range []string{"", "why: ", "do: "} {
			if rest, ok := strings.CutPrefix(text, word); i > 0 && ok {
				field, text = i, rest
			}
		}
		told[field] += text + "\n"
	}
	if r.exit != 2 { // which shows how the command is used instead
		s.says("why", told[1], r.why)
		s.says("do", told[2], r.do)
	}
	s.says("what", told[0], r.what)
	b.same(before)
	if s.Failed() {
		s.Logf("it said:\n%s", &errs)
	}
	if r.mend != nil {
		r.mendedRuns(s)
	}
}

// waits starts the last box, which must stay up and tell its problem.
func (r badRow) waits(s *scene) {
	b := s.boxes[len(s.boxes)-1]
	before := b.kept()
	for _, x := range s.boxes {
		if x.daemon == nil {
			x.start()
		}
	}
	p := b.problem(r.code)
	s.says("what", p.What, r.what)
	s.says("why", p.Why, r.why)
	s.says("do", p.Do, r.do)
	timeout := 400 * time.Millisecond
	if r.exit == 0 {
		timeout = rowGrace
	}
	if code := b.waitReady(timeout); code != r.exit {
		s.Errorf("wait-ready --quorum ended with %d, want %d: %s", code, r.exit, b.problems())
	}
	if r.also != nil {
		r.also(s)
	}
	select {
	case <-b.ended:
		s.Errorf("it ended:\n%s", b.log)
	default:
	}
	if s.Failed() {
		s.Logf("it said:\n%s", b.log)
	}
	ids := map[*box]string{}
	for _, x := range s.boxes {
		ids[x] = x.state().ID
	}
	if before.id != "" && ids[b] != before.id {
		s.Errorf("its identity was %q and is %q", before.id, ids[b])
	}
	s.stop()
	if r.mend == nil {
		return
	}
	r.mendedRuns(s)
	for _, x := range s.boxes {
		if id := x.state().ID; id != ids[x] {
			s.Errorf("%s was %s and is %s", x.name, ids[x], id)
		}
	}
}

// mendedRuns does what a person was told, after which all is well.
func (r badRow) mendedRuns(s *scene) {
	s.Helper()
	r.mend(s)
	s.form()
	s.stop()
}

// says fails unless text has the pattern's words.
func (s *scene) says(which, text, pattern string) {
	s.Helper()
	for k, v := range s.vars {
		pattern = strings.ReplaceAll(pattern, "{"+k+"}", v)
	}
	for _, b := range s.boxes {
		pattern = strings.ReplaceAll(pattern, "{"+b.name+"}", b.addr())
		for k, v := range b.conf {
			pattern = strings.ReplaceAll(pattern, "{"+b.name+"."+k+"}", v)
		}
	}
	if pattern == "" || strings.TrimSpace(text) == "" {
		s.Errorf("%s is %q, wanted %q", which, text, pattern)
	}
	for part := range strings.SplitSeq(pattern, " … ") {
		if !strings.Contains(text, part) {
			s.Errorf("%s is %q, without %q", which, text, part)
		}
	}
}

// disk is what may not get lost of a data directory.
type disk struct {
	id    string
	files map[string]string // by path: the state file, and all of the member's
}

func (b *box) kept() disk {
	b.s.Helper()
	d := disk{files: map[string]string{}}
	if info, err := os.Stat(b.data()); b.data() == "" || err != nil || !info.IsDir() {
		return d
	}
	for _, root := range []string{"state.json", "etcd"} {
		b.s.ok(filepath.WalkDir(filepath.Join(b.data(), root), func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			d.files[path] = string(text)
			return err
		}))
	}
	if !b.damaged {
		d.id = b.state().ID
	}
	return d
}

// same fails if anything was lost or changed since; a new state file may have
// been written where there was none.
func (b *box) same(before disk) {
	b.s.Helper()
	now := b.kept()
	for path, text := range before.files {
		if got, ok := now.files[path]; !ok || got != text {
			b.s.Errorf("%s was changed by a start that was refused", path)
		}
	}
	for path := range now.files {
		if _, ok := before.files[path]; !ok && (filepath.Base(path) != "state.json" || len(before.files) > 0) {
			b.s.Errorf("%s was made by a start that was refused", path)
		}
	}
}
