package command

import (
	"bytes"
	"testing"
)

// On a terminal the table is wiped as a whole, so no line of it may wrap.
func TestBoardOnTerminal(t *testing.T) {
	var out bytes.Buffer
	b := &board{w: &out, columns: func() int { return 32 }}
	rows := []row{{"n1", "running", "11", "leader, 2 of 2 members"}, {"n2", "running", "12", ""}}
	b.rows(rows)
	b.rows(rows) // nothing new, nothing printed
	b.say("ready")
	b.rows([]row{rows[0], {"n2", "killed", "-", ""}})
	want := `
NODE  PROCESS  PID  STATUS
n1    running  11   leader, 2 of
n2    running  12   
` + "\x1b[4A\x1b[J" + `ready

NODE  PROCESS  PID  STATUS
n1    running  11   leader, 2 of
n2    running  12   
` + "\x1b[4A\x1b[J" + `
NODE  PROCESS  PID  STATUS
n1    running  11   leader, 2 of
n2    killed   -    
`
	if out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", out.String(), want)
	}
}

// Elsewhere there is a line for each change.
func TestBoardInFile(t *testing.T) {
	var out bytes.Buffer
	b := newBoard(&out)
	rows := []row{{"n1", "running", "11", "leader"}, {"n2", "running", "12", ""}}
	b.rows(rows)
	b.say("ready")
	b.rows([]row{rows[0], {"n2", "running", "13", ""}}) // another process is told of by what it does
	b.rows([]row{rows[0], {"n2", "killed", "-", ""}})
	if want := "n1: running, leader\nn2: running\nready\nn2: killed\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
