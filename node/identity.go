package node

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/internal/pki"
)

// identity is the node's certificates: derived from its secret, or its owner's.
type identity struct {
	current atomic.Pointer[certificates]
}

type certificates struct {
	files    pki.Files
	end      time.Time // of derived certificates with a lifetime; else zero
	problems []Problem // of certificates of one's own
	keys     *pki.Keys // nil with certificates of one's own
	checked  time.Time // when certificates of one's own were last looked at
}

func (i *identity) load() *certificates { return i.current.Load() }

// loadIdentity makes the certificates for this start. A single node has a
// secret of its own, made at its first start, so that it can grow without going
// from http to https.
func (n *Node) loadIdentity() error {
	if !n.cfg.TLS.isZero() {
		if err := n.checkOwn(); err != nil || len(n.cfg.Join) == 0 {
			return err
		}
		// Gossip is encrypted with the secret all the same.
		secret, err := n.secret()
		if err != nil {
			return err
		}
		keys, err := pki.Derive(secret, n.clusterName())
		if err != nil {
			return err
		}
		n.gossipKey = keys.GossipKey()
		return nil
	}
	secret, err := n.secret()
	if err != nil {
		return err
	}
	keys, err := pki.Derive(secret, n.clusterName())
	if err != nil {
		return err
	}
	n.gossipKey = keys.GossipKey()
	return n.mint(keys)
}

func (n *Node) secret() (pki.Secret, error) {
	if n.cfg.Secret.read != nil {
		return n.cfg.Secret.read()
	}
	path := filepath.Join(n.dir, "cluster.secret")
	secret, err := pki.ReadSecretFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret = pki.NewSecret()
		err = pki.WriteSecretFile(path, secret)
	}
	return secret, err
}

func (n *Node) clusterName() string {
	if n.cfg.Cluster != "" {
		return n.cfg.Cluster
	}
	return singleCluster
}

// checkOwn looks at certificates of the user's own, whose dates pass and whose
// files may be replaced while the node runs.
func (n *Node) checkOwn() error {
	now := time.Now()
	files, problems, err := pki.CheckOwn(n.cfg.TLS.own(), now)
	if err != nil {
		return err
	}
	n.identity.current.Store(&certificates{files: files, problems: problems, checked: now})
	return nil
}

func (n *Node) mint(keys *pki.Keys) error {
	files, err := keys.WriteFiles(filepath.Join(n.dir, "tls"), n.cfg.CertLifetime, time.Now())
	if err != nil {
		return fmt.Errorf("write certificates: %w", err)
	}
	c := &certificates{files: files, keys: keys}
	if n.cfg.CertLifetime != 0 {
		c.end = files.NotAfter
	}
	n.identity.current.Store(c)
	return nil
}

// ownCheckPeriod is how often certificates of the user's own are looked at.
const ownCheckPeriod = time.Hour

// renewIdentity mints new certificates when a third of their life is left, by
// the wall clock, since a timer does not see a clock that is set. etcd reads
// the files again at each handshake, so nothing restarts.
func (n *Node) renewIdentity() {
	c := n.identity.load()
	if c.keys == nil {
		if time.Since(c.checked) < ownCheckPeriod {
			return
		}
		if err := n.checkOwn(); err != nil {
			p := Problem{Code: "cert-file", What: "the certificates of this member cannot be used any more", Why: err.Error(), Do: "put the files back"}
			n.identity.current.Store(&certificates{files: c.files, problems: []Problem{p}, checked: time.Now()})
		}
		return
	}
	if !renewalDue(c.end, n.cfg.CertLifetime, time.Now()) {
		return
	}
	if err := n.mint(c.keys); err != nil {
		n.log.Error("renew certificates", "err", err, "end", c.end)
		return
	}
	n.events.add(Event{Type: "cert_renewed", Text: "this member's certificates were renewed, until " + n.identity.load().end.UTC().Format(time.RFC3339)})
}

func renewalDue(end time.Time, lifetime time.Duration, now time.Time) bool {
	return !end.IsZero() && !now.Before(end.Add(-lifetime/3))
}
