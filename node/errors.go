package node

import (
	"errors"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/internal/problem"
	"github.com/quorate/quorate/recipes"
)

// A Problem is something that a person may have to mend, in the same shape
// everywhere: Code is stable and kebab-case, What is wrong, Why as far as known,
// and what to Do next.
type Problem = problem.Problem

// Error is an error that carries a Problem. errors.Is finds the sentinel under
// it, errors.As this type.
type Error = problem.Error

var (
	// ErrConfig is returned by Start for a Config that contradicts itself.
	ErrConfig = errors.New("node: configuration refused")
	// ErrClosed is returned by calls on a node that was closed, and by a second
	// Close.
	ErrClosed = errors.New("node: closed")
	// ErrInUse is returned by Start when another process, or another node of
	// this one, uses the data directory or the socket.
	ErrInUse = errors.New("node: in use")
	// ErrDataDir is returned by Start for a data directory that cannot be used:
	// not writable, open to others, or without its state file.
	ErrDataDir = errors.New("node: data directory refused")
	// ErrSocket is returned by Start for a socket path that cannot be used, and
	// by Dial and Remote when nothing answers there.
	ErrSocket = errors.New("node: socket not usable")
	// ErrNoQuorum is wrapped by errors of calls that ended while no majority of
	// the voters could be reached.
	ErrNoQuorum = recipes.ErrNoQuorum
	// ErrRestartProcess is returned by Start on a data directory whose member
	// died in this process: only a new process can open it.
	ErrRestartProcess = embed.ErrRestartProcess
)
