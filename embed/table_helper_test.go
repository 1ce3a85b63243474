package embed_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quorate/quorate/embed"
)

// member is a member in a child process.
type member struct {
	*embed.Member
	ctx   context.Context
	fatal chan error

	cancel context.CancelFunc // never called: a child's context ends with it
}

// must ends a child whose scene could not be set.
func must(err error) {
	if err != nil {
		panic("set the scene: " + err.Error())
	}
}

func config(dir string) embed.Config {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	defer l.Close()
	return embed.Config{
		Name: "a", Dir: filepath.Join(dir, "d"), PeerURL: "http://" + l.Addr().String(),
		Tick: 10 * time.Millisecond, Election: 100 * time.Millisecond, NoFsync: true, MinFreeBytes: -1,
	}
}

func launch(c embed.Config) *member {
	ctx, cancel := context.WithTimeout(context.Background(), rowPatience-time.Second)
	m := &member{fatal: make(chan error, 1), ctx: ctx, cancel: cancel}
	if c.OnFatal == nil {
		c.OnFatal = func(err error) { m.fatal <- err }
	}
	var err error
	m.Member, err = embed.Start(m.ctx, c)
	must(err)
	return m
}

func begin(c embed.Config) *member {
	m := launch(c)
	select {
	case <-m.Ready():
	case <-m.ctx.Done():
		must(errors.New("not ready in time"))
	}
	return m
}

// write puts until an error.
func (m *member) write(n int) *member {
	for i := range n {
		if _, err := m.Client().Put(m.ctx, fmt.Sprint("k", i%500), strings.Repeat("v", 100)); err != nil {
			break
		}
	}
	return m
}

func (m *member) stop() error { return m.Stop(m.ctx) }

// stopped leaves the data of a member that ran and stopped in good order.
func stopped(dir string) { must(begin(config(dir)).write(1000).stop()) }

// refused starts a member that must not start.
func refused(c embed.Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), rowPatience-time.Second)
	defer cancel()
	_, err := embed.Start(ctx, c)
	if err == nil {
		return errors.New("it started")
	}
	return err
}

// unborn leaves what a member leaves that is killed after it made its log, and
// before it wrote anything to it.
func unborn(dir string) {
	m := begin(config(dir))
	id, cluster := m.Status().ID, m.Status().ClusterID
	must(m.stop())
	must(os.RemoveAll(filepath.Join(dir, "d/member/wal")))
	must(os.Remove(dbFile(dir)))
	db, err := bolt.Open(dbFile(dir), 0o600, nil)
	must(err)
	must(db.Close())
	md, err := proto.Marshal(&pb.Metadata{NodeID: &id, ClusterID: &cluster})
	must(err)
	w, err := wal.Create(zap.NewNop(), filepath.Join(dir, "d/member/wal"), md)
	must(err)
	must(w.Close())
}

func dbFile(dir string) string { return filepath.Join(dir, "d/member/snap/db") }

func walFile(dir string) string {
	all, err := filepath.Glob(filepath.Join(dir, "d/member/wal/*.wal"))
	must(err)
	return all[0]
}

// overwrite spoils a file from an offset on, up to 16 MiB of it.
func overwrite(path string, from int64) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(err)
	fi, err := f.Stat()
	must(err)
	n := min(fi.Size()-from, 16<<20)
	_, err = f.WriteAt([]byte(strings.Repeat("spoiled!", int(n/8))), from)
	must(err)
	must(f.Close())
}

// flip changes one byte.
func flip(path string, at int64) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	must(err)
	b[0] ^= 0x55
	_, err = f.WriteAt(b, at)
	must(err)
	must(f.Close())
}

func ignoreSIGXFSZ() { signal.Ignore(syscall.SIGXFSZ) }

// process is a helper in a process of its own.
type process struct{ cmd *exec.Cmd }

// helper starts a helper and waits until it says that it is in place.
func helper(name, dir string) *process {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+name, dirEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	must(err)
	_, err = cmd.StdinPipe()
	must(err)
	must(cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	must(err)
	return &process{cmd}
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// underGuard: what needs space is refused, in process and on the socket, and
// what makes space is not.
func underGuard(dir string) error {
	c := config(dir)
	c.Socket = filepath.Join(dir, "s")
	c.MinFreeBytes = 1 << 60
	m := begin(c)
	defer m.stop()
	if !m.Status().SpaceLow {
		return errors.New("Status does not show it")
	}
	out, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + c.Socket}, DialTimeout: time.Second})
	must(err)
	defer out.Close()
	put := clientv3.OpPut("k", "v")
	for _, x := range []*clientv3.Client{m.Client(), out} {
		_, errPut := x.Put(m.ctx, "k", "v")
		_, errTxn := x.Txn(m.ctx).Else(clientv3.OpTxn(nil, []clientv3.Op{put}, nil)).Commit()
		_, errGrant := x.Grant(m.ctx, 10)
		for _, err := range []error{errPut, errTxn, errGrant} {
			if !errors.Is(err, embed.ErrNoSpace) && status.Code(err) != codes.ResourceExhausted {
				return fmt.Errorf("let in, or refused by another name: %w", err)
			}
		}
		_, errDel := x.Delete(m.ctx, "k")
		_, errDelTxn := x.Txn(m.ctx).Then(clientv3.OpDelete("k")).Commit()
		_, errGet := x.Get(m.ctx, "k")
		if err := errors.Join(errDel, errDelTxn, errGet); err != nil {
			return fmt.Errorf("kept from making space: %w", err)
		}
	}
	_, err = m.Client().Put(m.ctx, "k", "v")
	return err
}
