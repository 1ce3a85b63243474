package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/quorate/quorate/bootstrap"
)

// loadState reads who this node is, or makes it somebody new. A directory with
// data and without a state file has lost its identity: to make one up would
// bring a stranger's data back as somebody new.
func (n *Node) loadState() error {
	s, err := bootstrap.LoadState(n.dir)
	switch {
	case err == nil:
		n.state = s
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := os.Stat(filepath.Join(n.dir, memberDir)); err == nil {
		return dirProblem("the data directory "+n.dir+" has data but no state file", "state.json, which says whose data it is, is gone", "restore state.json from a backup, or give the node an empty data directory", nil)
	}
	n.state = bootstrap.NewState()
	return n.saveState()
}

// checkKept refuses a data directory that is of another cluster, or of the other
// kind of node, before anything is made of the configuration: its member would
// run where it does not belong, and three former singles would be three islands.
func (n *Node) checkKept() error {
	s := n.state
	switch {
	case s.Pledge != nil && len(n.cfg.Join) == 0:
		return dirProblem("the data directory "+n.dir+" is of a node of cluster "+s.Pledge.Cluster, "without Join this would be a single node",
			"set Cluster, Join and Secret as they were, or give the node an empty data directory", nil)
	case s.Started && s.Pledge != nil && s.Pledge.Cluster != n.cfg.Cluster:
		return dirProblem("the data directory "+n.dir+" is of cluster "+s.Pledge.Cluster, "this node is configured for cluster "+n.cfg.Cluster,
			"set Cluster to "+s.Pledge.Cluster+", or give the node an empty data directory: it then comes as a new node", nil)
	case s.Pledge == nil && len(n.cfg.Join) > 0:
		data, err := n.host.Look()
		if err != nil {
			return err
		}
		if bootstrap.Begin(s, s.Boot, data.Data).Member {
			return dirProblem("the data directory "+n.dir+" is of a single node", "Join is set, and making a cluster out of a single node comes with a later version",
				"drop Cluster, Join and Secret to run it as it was, or give the node an empty data directory", nil)
		}
	}
	return nil
}

// noteSingle keeps in the state file that the data is of a member that was never
// on a roster, so that no later start takes it for something else.
func (n *Node) noteSingle() error {
	cluster, member := n.host.IDs()
	if s := &n.state; s.Started && s.Member && s.EtcdCluster == cluster && s.EtcdMember == member {
		return nil
	}
	n.state.Started, n.state.Member, n.state.EtcdCluster, n.state.EtcdMember = true, true, cluster, member
	return n.saveState()
}

func (n *Node) saveState() error {
	if err := bootstrap.SaveState(n.dir, n.state); err != nil {
		return dirProblem("the state file cannot be written", err.Error(), "free space, or make "+n.dir+" writable for this user", err)
	}
	return nil
}
