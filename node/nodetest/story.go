package nodetest

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

// Injected counts what was done to the processes so far, by Faults, LoseLeader
// and Compact.
func (v *VirtualNode) Injected() map[Fault]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.injected)
}

// Bitten counts the faults that reached a caller of an etcd client: an error it
// got, an answer it had to wait for, a watch that ended in its hands. It is
// smaller than Injected, since clients repeat reads and renewals by themselves.
func (v *VirtualNode) Bitten() map[Fault]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.bitten)
}

func (v *VirtualNode) count(f Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.injected[f]++
}

func (v *VirtualNode) bite(f Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.bitten[f]++
}

// keptNotes is how much of its story a failed seed tells.
const keptNotes = 60

// note remembers what was done to the processes, for the story.
func (v *VirtualNode) note(format string, args ...any) {
	line := fmt.Sprintf("%12v  ", time.Since(v.began)) + fmt.Sprintf(format, args...)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ended {
		return
	}
	if len(v.notes) == keptNotes {
		v.notes = append(v.notes[:0], v.notes[1:]...)
		v.dropped++
	}
	v.notes = append(v.notes, line)
}

// story is what was done to the processes, and when.
func (v *VirtualNode) story() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "injected %v, of which callers saw %v", v.injected, v.bitten)
	if v.dropped > 0 {
		fmt.Fprintf(&b, "\n%d earlier ones, then", v.dropped)
	}
	for _, n := range v.notes {
		b.WriteString("\n" + n)
	}
	return b.String()
}
