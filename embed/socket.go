package embed

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// prepareSocket makes the path of a unix socket free: what a killed process
// left is removed, a socket somebody listens on is refused. etcd itself would
// remove either.
func prepareSocket(path string) error {
	if path == "" {
		return nil
	}
	if len(path) > maxSocketPath {
		return refuse(ErrSocket, "socket-path-long", fmt.Sprintf("the socket path %s is too long", path),
			fmt.Sprintf("it has %d bytes, and the kernel binds at most %d", len(path), maxSocketPath),
			"choose a shorter path, say under /run")
	}
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkSocketDir(path)
	case err != nil:
		return socketError(path, err)
	case fi.Mode()&fs.ModeSocket == 0:
		return refuse(ErrSocket, "socket-path-taken", fmt.Sprintf("the socket %s cannot be made", path),
			"there is a file of that name which is not a socket", "remove it (rm "+path+"), or choose another path")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return refuse(ErrSocket, "socket-in-use", fmt.Sprintf("the socket %s is in use", path),
			"a process listens on it", "stop that process (see: ss -lxp), or choose another path")
	}
	if err := os.Remove(path); err != nil {
		return socketError(path, err)
	}
	return nil
}

func checkSocketDir(path string) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		return refuseCause(ErrSocket, err, "socket-dir", fmt.Sprintf("the socket %s cannot be made", path), err.Error(),
			"make its directory: mkdir -m 0700 "+dir)
	}
	return nil
}

func socketError(path string, err error) error {
	return refuseCause(ErrSocket, err, "socket-path", fmt.Sprintf("the socket %s cannot be made", path), err.Error(),
		"choose a path in a directory that this user may write")
}
