package formation

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/quorate/quorate/cluster-test/bench/figure"
	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/internal/pki"
	"github.com/quorate/quorate/node"
)

// ReaderArg makes this program the child that reads measures in: a program that
// has a node inside.
const ReaderArg = "reader-child"

// readTimes is what it says when it is asked to measure.
type readTimes struct {
	InProcess, Remote time.Duration // medians
}

// Reader is that child: a node of three with a client port for TLS beside its
// socket. Each line on stdin makes it measure, until stdin ends.
func Reader(stdin io.Reader) error {
	in := bufio.NewReader(stdin)
	first, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var n insideNode
	if err := json.Unmarshal(first, &n); err != nil {
		return err
	}
	keys, err := pki.Derive(pki.NewSecret(), "bench")
	if err != nil {
		return err
	}
	files, err := keys.WriteFiles(filepath.Join(n.Dir, "client-tls"), 0, time.Now())
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	u := url.URL{Scheme: "https", Host: l.Addr().String()}
	l.Close()
	ctx := context.Background()
	config := n.config()
	config.EtcdConfig = func(c *embed.EtcdConfig) {
		c.ListenClientUrls, c.AdvertiseClientUrls = append(c.ListenClientUrls, u), append(c.AdvertiseClientUrls, u)
		c.ClientTLSInfo.CertFile, c.ClientTLSInfo.KeyFile = files.CertFile, files.KeyFile
	}
	self, err := node.Start(ctx, config)
	if err != nil {
		return err
	}
	defer self.Close()
	if err := self.Ready(ctx); err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(keys.CAPEM())
	// etcd's client asks for the endpoint's host, whatever ServerName says.
	check := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: files.ServerName})
		return err
	}}
	remote, err := clientv3.New(clientv3.Config{Endpoints: []string{u.String()}, TLS: check, Logger: zap.NewNop(), DialTimeout: 10 * time.Second})
	if err != nil {
		return err
	}
	defer remote.Close()
	for {
		if _, err := in.ReadBytes('\n'); err != nil {
			return nil
		}
		times, err := readBoth(ctx, self.Etcd(), remote)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(times); err != nil {
			return err
		}
	}
}

// readBoth reads in turns, so that whatever else the machine does meets both.
func readBoth(ctx context.Context, own, remote *clientv3.Client) (readTimes, error) {
	const samples, warm = 4000, 300
	if _, err := own.Put(ctx, "/read", "v"); err != nil {
		return readTimes{}, err
	}
	var times [2][]time.Duration
	for i := range samples + warm {
		for k, c := range []*clientv3.Client{own, remote} {
			start := time.Now()
			if _, err := c.Get(ctx, "/read"); err != nil {
				return readTimes{}, err
			}
			if i >= warm {
				times[k] = append(times[k], time.Since(start))
			}
		}
	}
	return readTimes{figure.Quantile(times[0], 0.5), figure.Quantile(times[1], 0.5)}, nil
}

// reads compares a linearizable read in the program that has the node inside
// with the best other way on the same node: one warm connection of gRPC over
// TLS. Both ask the leader's word of a majority, which on a follower is one more
// way over the network that no client can save.
func reads(ctx context.Context, s *site) ([]figure.Row, error) {
	t, err := s.newTrio()
	if err != nil {
		return nil, err
	}
	defer t.end()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	next := map[*box]func(context.Context, *process) (string, error){}
	for _, b := range t.nodes {
		out, line := said()
		next[b] = line
		if b.process, err = start(ctx, launch{args: []string{self, ReaderArg}, log: filepath.Join(b.dir, "log"), stdout: out}); err != nil {
			return nil, err
		}
		if err := json.NewEncoder(b.stdin).Encode(b.inside()); err != nil {
			return nil, err
		}
	}
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	leader, others, err := t.settled(ctx)
	if err != nil {
		return nil, err
	}
	var rows []figure.Row
	for _, one := range []struct {
		b     *box
		where string
		limit float64
	}{{others[0], "follower", 1.7}, {leader, "leader", 2.5}} {
		got, err := one.b.measure(ctx, next[one.b])
		if err != nil {
			return nil, fmt.Errorf("on the %s: %w", one.where, err)
		}
		rows = append(rows, figure.Faster("linearizable read in process, against gRPC over TLS, on the "+one.where,
			figure.Microseconds(got.InProcess), figure.Microseconds(got.Remote), "µs", one.limit, "faster p50"))
	}
	if again, _, err := t.settled(ctx); err != nil || again != leader {
		return nil, errors.Join(errors.New("the leader changed during the measurement"), err)
	}
	return rows, nil
}

// measure has the child measure and takes what it says.
func (b *box) measure(ctx context.Context, next func(context.Context, *process) (string, error)) (readTimes, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var got readTimes
	if _, err := b.stdin.Write([]byte("measure\n")); err != nil {
		return got, b.explain(err)
	}
	line, err := next(ctx, b.process)
	if err != nil {
		return got, err
	}
	return got, json.Unmarshal([]byte(line), &got)
}
