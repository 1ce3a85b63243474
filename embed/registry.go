package embed

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// dead holds the directories of members that died in this process. What is left
// of such a member still has its files open and locked, and goroutines of it
// may be about to write; only the end of the process ends them. Directories are
// known by device and inode, so that a restored copy under the same name is a
// new one, and another path to the same one is not.
var dead struct {
	mu   sync.Mutex
	dirs map[inode]error
}

type inode struct{ dev, ino uint64 }

// bury keeps the member's directory from being used again in this process. The
// directory's lock is never given back.
func (m *Member) bury(cause error) {
	id, ok := inodeOf(m.cfg.Dir)
	if !ok {
		return
	}
	dead.mu.Lock()
	defer dead.mu.Unlock()
	if dead.dirs == nil {
		dead.dirs = map[inode]error{}
	}
	dead.dirs[id] = cause
}

func checkDead(dir string) error {
	id, ok := inodeOf(dir)
	if !ok {
		return nil
	}
	dead.mu.Lock()
	cause, ok := dead.dirs[id]
	dead.mu.Unlock()
	if !ok {
		return nil
	}
	return refuse(ErrRestartProcess, "restart-process", "a member died on this directory, and this process cannot start it again",
		fmt.Sprintf("parts of it still hold %s (%v)", dir, cause), "restart the process")
}

func inodeOf(dir string) (inode, bool) {
	fi, err := os.Stat(dir)
	if err != nil {
		return inode{}, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}, false
	}
	return inode{dev: uint64(st.Dev), ino: st.Ino}, true
}
