package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/quorate/quorate/internal/dirlock"
	"github.com/quorate/quorate/node"
)

// A plan is what makes one cluster of the nodes of dev --nodes. It is kept in
// the directory, so that a second start finds the same cluster.
type plan struct {
	Cluster string   `json:"cluster"`
	Secret  string   `json:"secret"`
	Bases   []int    `json:"bases"` // the base port of each node
	Join    []string `json:"join"`
}

const (
	planFile  = "dev.json"
	fleetSock = "dev.sock"
	fleetHost = "127.0.0.1"
)

// runFleet starts n processes and stays with them.
func runFleet(c *call, n int) (err error) {
	if _, err := c.logger(); err != nil { // --log-level is the children's
		return err
	}
	dir := c.flags.String("dir")
	if dir == "" {
		if dir, err = os.MkdirTemp("", "peer-dev-"); err != nil {
			return failure(codeMend, "no temporary directory can be made", err.Error(), "name one with --dir, or set TMPDIR")
		}
		defer func() {
			if rerr := os.RemoveAll(dir); rerr != nil && err == nil {
				err = fmt.Errorf("remove the temporary directory: %w", rerr)
			}
		}()
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("find %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return failure(codeMend, dir+" cannot be created", err.Error(), "name another with --dir")
	}
	lock, err := dirlock.Lock(dir)
	if errors.Is(err, dirlock.ErrInUse) {
		return failure(codeMend, dir+" is in use", err.Error(), "stop the process that uses it, or name another directory with --dir")
	}
	if err != nil {
		return failure(codeMend, dir+" cannot be written", err.Error(), "make it writable for this user, or name another with --dir")
	}
	defer lock.Unlock()
	p, err := loadPlan(dir, n)
	if err != nil {
		return err
	}
	f, err := newFleet(c, dir, p)
	if err != nil {
		return err
	}
	return f.run()
}

// loadPlan reads the plan of an earlier start in dir, or makes one for n nodes.
func loadPlan(dir string, n int) (plan, error) {
	var p plan
	file := filepath.Join(dir, planFile)
	text, err := os.ReadFile(file)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &p); err != nil || len(p.Bases) != len(p.Join) {
			return p, failure(codeMend, file+" cannot be read", "it is not what dev --nodes wrote there", "remove "+dir+", or name another directory with --dir")
		}
		if len(p.Bases) != n {
			return p, failure(codeMend, fmt.Sprintf("%s holds %d nodes", dir, len(p.Bases)), fmt.Sprintf("--nodes is %d", n), fmt.Sprintf("use --nodes %d, or another --dir", len(p.Bases)))
		}
		return p, nil
	case !errors.Is(err, fs.ErrNotExist):
		return p, failure(codeMend, file+" cannot be read", err.Error(), "name another directory with --dir")
	}
	p = plan{Cluster: "dev", Secret: node.NewSecret()}
	for range n {
		base, err := freeBase(p.Bases)
		if err != nil {
			return p, err
		}
		p.Bases = append(p.Bases, base)
		p.Join = append(p.Join, net.JoinHostPort(fleetHost, strconv.Itoa(base)))
	}
	if text, err = json.Marshal(p); err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return p, failure(codeMend, file+" cannot be written", err.Error(), "name another directory with --dir")
	}
	return p, nil
}

// freeBase finds three ports in a row that nobody uses, below those that the
// kernel gives to outgoing connections: a node that comes back must find its
// own again.
func freeBase(taken []int) (int, error) {
	const low, high, width = 10000, 32000, 10
	var last error
	for range 200 {
		base := low + width*rand.IntN((high-low)/width)
		if slices.Contains(taken, base) {
			continue
		}
		if last = portsFree(base); last == nil {
			return base, nil
		}
	}
	return 0, fmt.Errorf("find free ports on %s: %w", fleetHost, last)
}

func portsFree(base int) (err error) {
	var open []io.Closer
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	u, err := net.ListenPacket("udp", net.JoinHostPort(fleetHost, strconv.Itoa(base)))
	if err != nil {
		return err
	}
	open = append(open, u)
	for i := range 3 {
		l, err := net.Listen("tcp", net.JoinHostPort(fleetHost, strconv.Itoa(base+i)))
		if err != nil {
			return err
		}
		open = append(open, l)
	}
	return nil
}

// again is how to call this very command with another word behind it. Flags of
// the program that it is mounted in are kept; its own are not.
func (c *call) again(word string) []string {
	last := 0
	for i, w := range c.line.argv {
		if !strings.HasPrefix(w, "-") {
			last = i
		}
	}
	return append(slices.Clone(c.line.argv[:last+1]), word)
}
