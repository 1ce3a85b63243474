// Package problem holds the one shape in which Quorate tells people what is
// wrong: what, why, and what to do next.
package problem

import "strings"

// A Problem is something a person may have to mend. It is a value to show, log
// or encode; see Error for the error that carries one.
type Problem struct {
	Code string `json:"code"` // stable, kebab-case: "space-low"
	What string `json:"what"` // what is wrong, one clause without a period
	Why  string `json:"why"`  // the cause as far as it is known
	Do   string `json:"do"`   // the next command or action
}

// String is the problem in one line.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.What)
	if p.Why != "" {
		b.WriteString(": ")
		b.WriteString(p.Why)
	}
	if p.Do != "" {
		b.WriteString("; ")
		b.WriteString(p.Do)
	}
	return b.String()
}

// Error is an error that carries a Problem. Err is the sentinel that errors.Is
// finds, or the cause; its text is not repeated.
type Error struct {
	Problem
	Err error
}

// Error returns the problem in one line.
func (e *Error) Error() string { return e.Problem.String() }

// Unwrap returns the sentinel or cause.
func (e *Error) Unwrap() error { return e.Err }
