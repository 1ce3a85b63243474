package embed_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quorate/quorate/embed"
)

var rows = map[string]row{
	"start, stop, start": {play: func(dir string) error {
		for range 3 {
			if err := begin(config(dir)).write(100).stop(); err != nil {
				return err
			}
		}
		return nil
	}},
	"stop before ready": {play: func(dir string) error {
		c := config(dir)
		c.Socket = filepath.Join(dir, "s")
		c.InitialCluster = map[string]string{c.Name: c.PeerURL, "b": "http://127.0.0.1:1"}
		return launch(c).stop()
	}},
	// etcd alone would start it without a voter, and so never have a leader.
	"stopped in the first instant, started again": {play: func(dir string) error {
		unborn(dir)
		return begin(config(dir)).write(1).stop()
	}},
	"stop twice": {play: func(dir string) error {
		m := begin(config(dir))
		return errors.Join(m.stop(), m.stop())
	}},
	"disk full under a running member": {
		play: func(dir string) error { return fill(begin(config(dir))) },
		is:   embed.ErrNoSpace, exit: 1,
		what: []string{"died", "disk is full"}, why: []string{"file too large"}, do: []string{"free space", "restart the process"},
	},
	"disk full at the start": {
		play: func(dir string) error { limitFiles(1 << 20); return refused(config(dir)) },
		is:   embed.ErrNoSpace, exit: 1,
		what: []string{"disk is full"}, why: []string{"file too large"}, do: []string{"free space"},
	},
	"free space under the guard": {
		play: underGuard,
		is:   embed.ErrNoSpace, exit: 1,
		what: []string{"writes are refused", "nearly full"}, why: []string{"MiB are free"}, do: []string{"df -h"},
	},
	"damaged log": {
		play: func(dir string) error {
			stopped(dir)
			flip(walFile(dir), 4<<10)
			return refused(config(dir))
		},
		is: embed.ErrDamaged, exit: 1,
		what: []string{"damaged"}, why: []string{"the log ends at entry"}, do: []string{"restore a snapshot"},
	},
	// etcd alone would cut the log there and start, and then lose new writes.
	"log that lost its end": {
		play: func(dir string) error {
			stopped(dir)
			must(os.Truncate(walFile(dir), 4<<10))
			must(os.Truncate(walFile(dir), 64<<20))
			return refused(config(dir))
		},
		is: embed.ErrDamaged, exit: 1,
		what: []string{"damaged"}, why: []string{"the log ends at entry", "entries are lost"}, do: []string{"restore a snapshot"},
	},
	"log gone": {
		play: func(dir string) error {
			stopped(dir)
			must(os.RemoveAll(filepath.Dir(walFile(dir))))
			return refused(config(dir))
		},
		is: embed.ErrDamaged, exit: 1,
		what: []string{"damaged"}, why: []string{"no log"}, do: []string{"restore a snapshot"},
	},
	"damaged database": {
		play: func(dir string) error {
			stopped(dir)
			overwrite(dbFile(dir), 2*int64(os.Getpagesize()))
			return refused(config(dir))
		},
		is: embed.ErrDamaged, exit: 1,
		what: []string{"damaged"}, why: []string{"database"}, do: []string{"restore a snapshot"},
	},
	"database cut short": {
		play: func(dir string) error {
			stopped(dir)
			must(os.Truncate(dbFile(dir), 3*int64(os.Getpagesize())))
			return refused(config(dir))
		},
		is: embed.ErrDamaged, exit: 1,
		what: []string{"damaged"}, why: []string{"database"}, do: []string{"restore a snapshot"},
	},
	"database gone": {
		play: func(dir string) error {
			stopped(dir)
			must(os.Remove(dbFile(dir)))
			return refused(config(dir))
		},
		is: embed.ErrDamaged, exit: 1,
		what: []string{"damaged"}, why: []string{"no database"}, do: []string{"restore a snapshot"},
	},
	// These three kill the process, and nothing in it can prevent that. In the
	// first, the kernel says that a mapped page is not there, which the runtime
	// does not let anybody catch; in the other two, etcd panics.
	"database cut short under a running member": {
		play: func(dir string) error {
			m := begin(config(dir)).write(100)
			must(os.Truncate(dbFile(dir), 0))
			m.write(10000)
			<-m.ctx.Done()
			return errors.New("it lives")
		},
		exit: 2, what: []string{"SIGBUS"},
	},
	"database overwritten under a running member": {
		play: func(dir string) error {
			c := config(dir)
			c.OnFatal = func(err error) { os.Stderr.WriteString("last word: " + err.Error() + "\n") }
			// The loop that applies entries commits too, and every one of
			// them. Were it the backend's timer that finds the damage, the
			// panic would have no logger on its way, see the next row.
			c.EtcdConfig = func(e *embed.EtcdConfig) { e.BackendBatchLimit, e.BackendBatchInterval = 1, time.Hour }
			m := begin(c).write(1000)
			overwrite(dbFile(dir), 0)
			m.write(20000)
			<-m.ctx.Done()
			return errors.New("it lives")
		},
		exit: 2, what: []string{"last word: the member died"},
	},
	"database overwritten, found by the backend's timer": {
		play: func(dir string) error {
			c := config(dir)
			c.EtcdConfig = func(e *embed.EtcdConfig) { e.BackendBatchLimit, e.BackendBatchInterval = 1<<30, 200*time.Millisecond }
			m := begin(c).write(1000)
			overwrite(dbFile(dir), 0)
			m.write(20000)
			<-m.ctx.Done()
			return errors.New("it lives")
		},
		exit: 2, what: []string{"panic: "}, // the runtime's own last word
	},
	"directory of another member": {
		play: func(dir string) error {
			stopped(dir)
			c := config(dir)
			c.Name = "b"
			return refused(c)
		},
		is: embed.ErrOtherMember, exit: 1,
		what: []string{"belongs to another member"}, why: []string{`"a"`, `"b"`}, do: []string{"its own directory"},
	},
	"directory of a newer version": {
		play: func(dir string) error {
			stopped(dir)
			setVersion(dir, "meta", "storageVersion")
			return refused(config(dir))
		},
		is: embed.ErrVersion, exit: 1,
		what: []string{"newer version"}, why: []string{"storage version is 3.99"}, do: []string{"install that version"},
	},
	"cluster of a newer version": {
		play: func(dir string) error {
			stopped(dir)
			setVersion(dir, "cluster", "clusterVersion")
			return refused(config(dir))
		},
		is: embed.ErrVersion, exit: 1,
		what: []string{"newer version"}, why: []string{"cluster version is 3.99"}, do: []string{"install that version"},
	},
	"two processes on one directory": {
		play: func(dir string) error {
			defer helper("hold", dir).kill()
			return refused(config(dir))
		},
		is: embed.ErrDirInUse, exit: 1,
		what: []string{"is in use"}, why: []string{"process ", " holds its lock"}, do: []string{"stop that process", "ps -fp"},
	},
	"directory not writable": {
		play: func(dir string) error {
			must(os.Chmod(dir, 0o500))
			if os.Getuid() == 0 { // whom no mode stops
				must(os.Chown(dir, 65534, 65534))
				must(syscall.Setuid(65534))
			}
			return refused(config(dir))
		},
		is: embed.ErrDir, exit: 1,
		what: []string{"cannot be used"}, why: []string{"permission denied"}, do: []string{"chown", "chmod"},
	},
	"port in use": {
		play: func(dir string) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(err)
			c := config(dir)
			c.PeerURL = "http://" + l.Addr().String()
			return refused(c)
		},
		is: embed.ErrPortInUse, exit: 1,
		what: []string{"http://127.0.0.1:", "is in use"}, why: []string{"bind"}, do: []string{"ss -lptn"},
	},
	"socket path too long": {
		play: func(dir string) error {
			c := config(dir)
			c.Socket = "/run/" + strings.Repeat("x", 108-len("/run/"))
			return refused(c)
		},
		is: embed.ErrSocket, exit: 1,
		what: []string{"too long"}, why: []string{"108 bytes", "107"}, do: []string{"shorter path"},
	},
	"socket of a killed process": {play: func(dir string) error {
		helper("hold", dir).kill()
		if _, err := os.Lstat(filepath.Join(dir, "s")); err != nil {
			return err // it should have been left behind
		}
		c := config(dir)
		c.Socket = filepath.Join(dir, "s")
		return begin(c).stop()
	}},
	"socket of a living process": {
		play: func(dir string) error {
			l, err := net.Listen("unix", filepath.Join(dir, "s"))
			must(err)
			defer l.Close()
			c := config(dir)
			c.Socket = filepath.Join(dir, "s")
			return refused(c)
		},
		is: embed.ErrSocket, exit: 1,
		what: []string{"is in use"}, why: []string{"listens"}, do: []string{"ss -lxp"},
	},
	"second start after a death": {
		play: func(dir string) error {
			fill(begin(config(dir)))
			return refused(config(dir))
		},
		is: embed.ErrRestartProcess, exit: 1,
		what: []string{"died on this directory"}, why: []string{"still hold"}, do: []string{"restart the process"},
	},
	"second start after a death in the start": {
		play: func(dir string) error {
			limitFiles(1 << 20)
			if err := refused(config(dir)); !errors.Is(err, embed.ErrNoSpace) {
				return err
			}
			limitFiles(unix.RLIM_INFINITY)
			return refused(config(dir))
		},
		is: embed.ErrRestartProcess, exit: 1,
		what: []string{"died on this directory"}, why: []string{"still hold", "disk is full"}, do: []string{"restart the process"},
	},
	"start again after a refusal": {play: func(dir string) error {
		stopped(dir)
		b, err := os.ReadFile(dbFile(dir))
		must(err)
		overwrite(dbFile(dir), 2*int64(os.Getpagesize()))
		if err := refused(config(dir)); !errors.Is(err, embed.ErrDamaged) {
			return err
		}
		must(os.WriteFile(dbFile(dir), b, 0o600)) // mended
		return begin(config(dir)).stop()
	}},
}

// helpers are other processes that rows need.
var helpers = map[string]func(dir string){
	"manners":  manners,
	"families": families,
	"hold": func(dir string) {
		c := config(dir)
		c.Socket = filepath.Join(dir, "s")
		begin(c)
		os.Stdout.WriteString("holding\n")
		os.Stdin.Read(make([]byte, 1)) // until killed, or the row is gone
	},
}
