package node

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/quorate/quorate/internal/durable"
)

// leaseFile remembers the leases of this node in its data directory, so that
// the next start can revoke what a killed process left, and its locks are free
// at once. It is a hint: a lease that is missing here ends by its TTL, one that
// is gone already is no error.
type leaseFile struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	old    []int64 // of a previous run, not yet revoked
	live   []int64
	frozen bool // the file stays as it is
}

// leaseFormat is the version of leases.json.
const leaseFormat = 1

type leaseContent struct {
	Format int     `json:"format"`
	Leases []int64 `json:"leases"`
}

func openLeaseFile(dir string, log *slog.Logger) *leaseFile {
	l := &leaseFile{path: filepath.Join(dir, "leases.json"), log: log}
	b, err := os.ReadFile(l.path)
	if err != nil {
		return l
	}
	var c leaseContent
	if err := json.Unmarshal(b, &c); err != nil || c.Format != leaseFormat {
		log.Warn("ignore the list of leases: they end by themselves within their TTL", "file", l.path, "err", err)
		return l
	}
	l.old = c.Leases
	return l
}

// remember is recipes.Options.Remember: it is called with the whole live set
// before a new lease carries a key.
func (l *leaseFile) remember(live []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = slices.Clone(live)
	l.write()
}

func (l *leaseFile) inherited() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.old)
}

func (l *leaseFile) forgetInherited() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.old = nil
	l.write()
}

// freeze keeps the file as a killed process leaves it.
func (l *leaseFile) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen = true
}

func (l *leaseFile) write() {
	if l.frozen {
		return
	}
	all := slices.Concat(l.old, l.live)
	slices.Sort(all)
	b, err := json.Marshal(leaseContent{Format: leaseFormat, Leases: slices.Compact(all)})
	if err == nil {
		err = durable.WriteFile(l.path, append(b, '\n'), 0o600)
	}
	if err != nil {
		l.log.Warn("keep the list of leases: a restart will wait for their TTL", "err", err)
	}
}
