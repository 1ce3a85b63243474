package node

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// maxSocketPath is what fits into sockaddr_un on Linux, without the final NUL.
const maxSocketPath = 107

// etcdSocketName is the etcd socket's name in the control socket's directory.
const etcdSocketName = "etcd.sock"

// sockets is where the two sockets of a node are and who may use them.
type sockets struct {
	control, etcd string
	mode          fs.FileMode // of the sockets
	dirMode       fs.FileMode // of a directory that is created for them
	gid           int         // -1: unchanged
}

func planSockets(cfg Config, dataDir string) (sockets, error) {
	s := sockets{control: cfg.Socket, mode: 0o600, dirMode: 0o700, gid: -1}
	if s.control == "" {
		s.control = filepath.Join(dataDir, "peer.sock")
	}
	s.etcd = filepath.Join(filepath.Dir(s.control), etcdSocketName)
	for _, p := range []string{s.control, s.etcd} {
		if len(p) > maxSocketPath {
			return s, socketProblem("the socket path "+p+" is too long", fmt.Sprintf("it has %d bytes and the kernel takes %d", len(p), maxSocketPath), "set Socket (--socket) to a shorter path, such as /run/peer/peer.sock", ErrSocket)
		}
	}
	if s.control == s.etcd {
		return s, socketProblem("Socket is "+s.control, "that name in the same directory belongs to etcd's own socket", "name it peer.sock", ErrSocket)
	}
	if cfg.SocketGroup != "" {
		gid, err := lookupGroup(cfg.SocketGroup)
		if err != nil {
			return s, socketProblem("SocketGroup is "+cfg.SocketGroup, err.Error(), "create the group with groupadd, or name another", ErrSocket)
		}
		s.gid, s.mode, s.dirMode = gid, 0o660, 0o750
	}
	return s, nil
}

// listen opens the control socket with its modes. A socket that a killed
// process left behind is replaced; one that answers is not touched.
func (s sockets) listen() (net.Listener, error) {
	if err := s.prepareDir(); err != nil {
		return nil, err
	}
	if err := clearStale(s.control); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", s.control)
	if err != nil {
		return nil, socketProblem("the socket "+s.control+" cannot be opened", err.Error(), "set Socket (--socket) to a path in a directory that this user may write", errors.Join(ErrSocket, err))
	}
	if err := s.protect(s.control); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// protect gives a socket its mode and group.
func (s sockets) protect(path string) error {
	if s.gid >= 0 {
		if err := os.Lchown(path, -1, s.gid); err != nil {
			return socketProblem("the socket "+path+" cannot be given to its group", err.Error(), "run the process as a member of SocketGroup", errors.Join(ErrSocket, err))
		}
	}
	if err := os.Chmod(path, s.mode); err != nil {
		return fmt.Errorf("protect socket: %w", err)
	}
	return nil
}

// prepareDir creates the sockets' directory. One that exists keeps its mode,
// but others must not be able to write it: they could put their socket in the
// place of ours.
func (s sockets) prepareDir() error {
	dir := filepath.Dir(s.control)
	fi, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, s.dirMode); err != nil {
			return socketProblem("the directory "+dir+" of the socket cannot be created", err.Error(), "create it for this user, or set Socket (--socket) elsewhere", errors.Join(ErrSocket, err))
		}
		if err := os.Chmod(dir, s.dirMode); err != nil { // the umask may have taken bits away
			return fmt.Errorf("protect socket directory: %w", err)
		}
		if s.gid >= 0 {
			if err := os.Chown(dir, -1, s.gid); err != nil {
				return socketProblem("the directory "+dir+" cannot be given to its group", err.Error(), "run the process as a member of SocketGroup", errors.Join(ErrSocket, err))
			}
		}
		return nil
	}
	if err != nil {
		return socketProblem("the directory "+dir+" of the socket cannot be read", err.Error(), "set Socket (--socket) elsewhere", errors.Join(ErrSocket, err))
	}
	if !fi.IsDir() {
		return socketProblem(dir+" is not a directory", "Socket names a file in it", "set Socket (--socket) elsewhere", ErrSocket)
	}
	if fi.Mode().Perm()&0o002 != 0 {
		return socketProblem("the directory "+dir+" of the socket can be written by everyone", fmt.Sprintf("its mode is %#o, and another user could put a socket in the place of this one", fi.Mode().Perm()), "use a directory of its own: mkdir -m 0700 "+filepath.Join(dir, "peer")+" and a Socket in it", ErrSocket)
	}
	return nil
}

// clearStale removes a socket on which nobody listens.
func clearStale(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at socket: %w", err)
	}
	if fi.Mode()&fs.ModeSocket == 0 {
		return socketProblem(path+" is not a socket", "a file of another kind is in its place", "move it away, or set Socket (--socket) elsewhere", ErrSocket)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return socketProblem("the socket "+path+" is in use", "another node answers on it", "see it with peer status --socket "+path+", or set Socket (--socket) elsewhere", ErrInUse)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return socketProblem("the socket "+path+" is in the way", err.Error(), "see with ss -xlp who has it, or set Socket (--socket) elsewhere", errors.Join(ErrSocket, err))
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	return nil
}

func lookupGroup(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		if n, nerr := strconv.Atoi(name); nerr == nil && n >= 0 {
			return n, nil
		}
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

func socketProblem(what, why, do string, err error) error {
	return &Error{Problem: Problem{Code: "socket", What: what, Why: why, Do: do}, Err: err}
}
