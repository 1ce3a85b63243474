package nodetest

import (
	"os"

	"github.com/quorate/quorate/embed"
)

func init() { embed.SmallSegments() }

// memory is a file system in memory, on Linux. A server in virtual time makes
// some twenty files and directories, and that is most of what a seed costs on a
// disk.
const memory = "/dev/shm"

// virtualDir makes a directory for a server in virtual time: in memory, unless
// TMPDIR says where, or there is no such place.
func virtualDir() (string, error) {
	if os.Getenv("TMPDIR") == "" {
		if dir, err := os.MkdirTemp(memory, "quorate-virtual-"); err == nil {
			return dir, nil
		}
	}
	return os.MkdirTemp("", "q")
}
