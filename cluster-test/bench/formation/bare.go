package formation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	etcdembed "go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/quorate/quorate/internal/pki"
)

// BareArg makes this program the child that is compared with: a bare etcd
// member.
const BareArg = "bare-etcd-child"

// bareMember is what such a child reads on stdin.
type bareMember struct {
	Name, Dir, URL, Cluster, Socket string
	TLS                             pki.Files
}

// Bare is that child: etcd with a static list of members, as its documentation
// tells to do it, until stdin ends. It says ready after a linearizable read.
func Bare(stdin io.Reader) error {
	var in bareMember
	d := json.NewDecoder(stdin)
	if err := d.Decode(&in); err != nil {
		return err
	}
	u, err := url.Parse(in.URL)
	if err != nil {
		return err
	}
	c := etcdembed.NewConfig()
	c.Name, c.Dir, c.InitialCluster = in.Name, in.Dir, in.Cluster
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{*u}, []url.URL{*u}
	client := url.URL{Scheme: "unix", Path: in.Socket}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	c.TickMs, c.ElectionMs = 100, 1000
	c.ZapLoggerBuilder = etcdembed.NewZapLoggerBuilder(zap.NewNop())
	t := &c.PeerTLSInfo
	t.CertFile, t.KeyFile, t.ClientCertFile, t.ClientKeyFile = in.TLS.CertFile, in.TLS.KeyFile, in.TLS.ClientCertFile, in.TLS.ClientKeyFile
	t.TrustedCAFile, t.ServerName, t.AllowedCNs, t.ClientCertAuth, t.SkipClientSANVerify = in.TLS.CAFile, in.TLS.ServerName, in.TLS.AllowedCNs, true, true
	e, err := etcdembed.StartEtcd(c)
	if err != nil {
		return err
	}
	defer e.Close()
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, stdin)
		close(ended)
	}()
	select {
	case <-e.Server.ReadyNotify():
	case err := <-e.Err():
		return err
	case <-ended:
		return errors.New("stopped before it was ready")
	}
	reader, err := clientv3.New(clientv3.Config{Endpoints: []string{client.String()}, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_, err := reader.Get(ctx, "/ready")
		cancel()
		if err == nil {
			break
		}
	}
	fmt.Println("ready")
	<-ended
	return nil
}

// coldBare does to bare members what cold does to nodes.
func (s *site) coldBare(ctx context.Context, gaps [2]time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp(s.dir, "b")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	addrs, err := loopbacks(3)
	if err != nil {
		return 0, err
	}
	var list []string
	for i, a := range addrs {
		list = append(list, fmt.Sprintf("m%d=https://%v", i+1, a))
	}
	// As many certificates as on three machines, made before the clock starts.
	keys, err := pki.Derive(pki.NewSecret(), "bench")
	if err != nil {
		return 0, err
	}
	var ins []bareMember
	for i, a := range addrs {
		in := bareMember{Name: fmt.Sprint("m", i+1), Dir: filepath.Join(dir, fmt.Sprint("m", i+1)), URL: "https://" + a.String(), Cluster: strings.Join(list, ",")}
		in.Socket = in.Dir + ".sock"
		if in.TLS, err = keys.WriteFiles(in.Dir+".tls", 0, time.Now()); err != nil {
			return 0, err
		}
		ins = append(ins, in)
	}
	var members [3]*process
	var next [3]func(context.Context, *process) (string, error)
	defer func() {
		for _, p := range members {
			if p != nil {
				p.kill()
			}
		}
	}()
	last, err := staggered(ctx, gaps, func(i int) error {
		out, line := said()
		p, err := start(ctx, launch{args: []string{self, BareArg}, log: ins[i].Dir + ".log", stdout: out})
		if err != nil {
			return err
		}
		members[i], next[i] = p, line
		return json.NewEncoder(p.stdin).Encode(ins[i])
	})
	if err != nil {
		return 0, err
	}
	err = together(3, func(i int) error {
		line, err := next[i](ctx, members[i])
		if err == nil && line != "ready" {
			err = fmt.Errorf("it said %q", line)
		}
		return err
	})
	return time.Since(last), err
}
