package bootstrap

import (
	"fmt"
	"strings"
	"time"

	"github.com/quorate/quorate/internal/problem"
)

// Problems tells a plan's reasons to a person: what is waited for first, then
// what should be mended although nothing waits for it.
func (p Plan) Problems() []problem.Problem {
	out := make([]problem.Problem, 0, len(p.Waiting)+len(p.Notices))
	for _, l := range [][]Reason{p.Waiting, p.Notices} {
		for _, r := range l {
			out = append(out, r.Problem())
		}
	}
	return out
}

// Problem tells the reason to a person. Its code is the reason's.
func (r Reason) Problem() problem.Problem {
	if tell, ok := texts[r.Code]; ok {
		p := tell(r)
		p.Code = r.Code
		return p
	}
	return problem.Problem{Code: r.Code, What: r.Code, Do: "peer status"}
}

// String is the node as people know it: its name if it has told one, and where
// it is.
func (n NodeRef) String() string {
	s := n.Name
	if s == "" {
		s = n.ID
	}
	if n.Addr.IsValid() {
		s += " (" + n.Addr.Addr().String() + ")"
	}
	return s
}

func (r Reason) who() string {
	if len(r.Nodes) == 0 {
		return "another node"
	}
	l := make([]string, len(r.Nodes))
	for i, n := range r.Nodes {
		l[i] = n.String()
	}
	return strings.Join(l, ", ")
}

func (r Reason) since() string {
	if r.For < time.Second {
		return ""
	}
	return " for " + r.For.Round(time.Second).String()
}

func (r Reason) because() string {
	if r.Theirs == "" {
		return ""
	}
	return ": " + r.Theirs
}

const startThem = "start the missing ones, or see why they cannot be reached: peer status there"

// texts has every reason that Decide gives. The test of problems.go demands one
// for each code in the source.
var texts = map[string]func(Reason) problem.Problem{
	// Waiting for others.
	"voters-missing": func(r Reason) problem.Problem {
		return problem.Problem{What: fmt.Sprintf("waiting for %d of %d voters", r.Want-r.Have, r.Want),
			Why: "a cluster is formed once all are there; here are " + r.who(), Do: startThem}
	},
	"seeds-few": func(r Reason) problem.Problem {
		return problem.Problem{What: fmt.Sprintf("only %d nodes answer at the join addresses, %d are needed", r.Have, r.Want),
			Why: "nodes that are not in the join list are there (" + r.who() + "), but only a majority of the list makes sure that no second cluster forms",
			Do:  "start the nodes of the join list"}
	},
	"spare": func(r Reason) problem.Problem {
		return problem.Problem{What: "this node will not be one of the first voters", Why: fmt.Sprintf("%d are enough: %s", r.Want, r.who()),
			Do: "nothing: it waits for the cluster"}
	},
	"bound-elsewhere": func(r Reason) problem.Problem {
		return problem.Problem{What: r.who() + " agreed on a roster without this node", Why: "they cannot agree on another while that one may still become a cluster",
			Do: "nothing: they start the cluster, or leave the roster once enough of its nodes have aborted it"}
	},
	"settling": func(r Reason) problem.Problem {
		return problem.Problem{What: r.who() + " has just started", Why: "it is taken in once it was seen twice", Do: "nothing; if this stays, see there why the process restarts: journalctl -u peer"}
	},
	"node-twice": func(r Reason) problem.Problem {
		return problem.Problem{What: "two nodes call " + r.Addr.String() + " their own, or have one ID", Why: "one is " + r.who(),
			Do: "give each its own address: advertise in its configuration"}
	},
	"pledges-missing": func(r Reason) problem.Problem {
		return problem.Problem{What: fmt.Sprintf("agreed on roster %s, waiting for %s to agree too", r.Roster.Short(), r.who()),
			Why: fmt.Sprintf("%d of %d have", r.Have, r.Want), Do: "nothing; if this stays, see there what it waits for: peer status"}
	},
	"aborts-missing": func(r Reason) problem.Problem {
		return problem.Problem{What: fmt.Sprintf("roster %s failed, waiting for leave to make another", r.Roster.Short()),
			Why: fmt.Sprintf("%d nodes of it must say that they do not start it, %d did; not yet: %s", r.Want, r.Have, r.who()),
			Do:  "start those nodes; if their disks are lost for good, no cluster came of this roster: empty the data directory of this node"}
	},
	"quorum-missing": func(r Reason) problem.Problem {
		if r.Have >= r.Want {
			return problem.Problem{What: "started, the members are finding each other",
				Why: fmt.Sprintf("%d started, a quorum is %d, and they have not elected a leader yet", r.Have, r.Want), Do: "wait; if it lasts, see that the nodes reach each other's raft port"}
		}
		return problem.Problem{What: fmt.Sprintf("started, waiting for a quorum: %d of %d", r.Have, r.Want),
			Why: "not running: " + r.who(), Do: startThem}
	},
	"no-cluster": func(r Reason) problem.Problem {
		return problem.Problem{What: "no cluster answers yet", Why: "join_only: this node never forms one", Do: "start the nodes of the cluster, or see that the join list names them"}
	},
	"cluster-exists": func(r Reason) problem.Problem {
		return problem.Problem{What: fmt.Sprintf("a cluster exists (%s, seen at %s), joining comes with a later version", r.Roster.Short(), r.who()),
			Why: "this node was not there when it was formed, or lost its disk since; it never forms another one",
			Do:  "nothing on this node: it waits; if that cluster is gone for good, empty the data directory of this node"}
	},
	// Configuration.
	"voters-differ": func(r Reason) problem.Problem {
		return problem.Problem{What: fmt.Sprintf("voters differs: %d here, %d at %s", r.Have, r.Want, r.who()), Why: "a cluster needs one number on all nodes",
			Do: "set the same voters on all nodes and restart them"}
	},
	"join-differs": func(r Reason) problem.Problem {
		return problem.Problem{What: "join lists differ: [" + r.Ours + "] here, [" + r.Theirs + "] at " + r.who(),
			Why: "only with one list on all nodes no second cluster can form", Do: "set the same join list on all nodes and restart them"}
	},
	"voters-few": func(r Reason) problem.Problem {
		return problem.Problem{What: fmt.Sprintf("%d voters cannot be a majority of the join list", r.Have),
			Why: fmt.Sprintf("it needs %d, or two clusters could form of one list", r.Want), Do: fmt.Sprintf("set voters to at least %d, or shorten the join list on all nodes", r.Want)}
	},
	"voters-range": func(r Reason) problem.Problem {
		return problem.Problem{What: fmt.Sprintf("voters is %d", r.Have), Why: fmt.Sprintf("1 to %d are possible", r.Want), Do: "set voters to 3 or 5; further nodes can wait as spares"}
	},
	"voters-even": func(r Reason) problem.Problem {
		return problem.Problem{What: fmt.Sprintf("%d voters survive no more failures than %d", r.Have, r.Have-1), Why: "a majority of an even number is one more", Do: fmt.Sprintf("set voters to %d or %d on all nodes", r.Have-1, r.Have+1)}
	},
	"name-twice": func(r Reason) problem.Problem {
		return problem.Problem{What: "two nodes have the name " + r.Ours, Why: "the other one is " + r.who(), Do: "give one of them another name: name in its configuration"}
	},
	// The join list.
	"seed-silent": func(r Reason) problem.Problem {
		return problem.Problem{What: "no answer from " + r.Addr.String() + r.since(), Why: "the machine is off, its node is not running, or a firewall is between" + r.because(),
			Do: "start it, or open its gossip, cluster RPC and raft ports (4780 to 4782)"}
	},
	"seed-other-secret": func(r Reason) problem.Problem {
		return problem.Problem{What: r.Addr.String() + " has another cluster secret or cluster name", Why: "its certificate is not from our secret" + r.because(),
			Do: "compare the secret files (sha256sum) and cluster in the configuration of both nodes, or tls.ca_file with certificates of your own"}
	},
	"seed-stranger": func(r Reason) problem.Problem {
		return problem.Problem{What: "something that is no node answers at " + r.Addr.String(), Why: "another program has that port" + r.because(), Do: "see what listens there: ss -ltnp"}
	},
	"seed-version": func(r Reason) problem.Problem {
		return problem.Problem{What: r.Addr.String() + " runs a version that this one does not understand", Why: strings.TrimPrefix(r.because(), ": "), Do: "run the same version on all nodes"}
	},
	"seed-dates": func(r Reason) problem.Problem {
		return problem.Problem{What: "a certificate is expired or not valid yet between this node and " + r.Addr.String(), Why: "a clock is wrong, or the certificate ran out" + r.because(), Do: "compare the clocks: date; then see peer status on both for the certificates"}
	},
	"seed-not-own": func(r Reason) problem.Problem {
		return problem.Problem{What: r.who() + " answers at " + r.Addr.String() + " but calls " + r.Theirs + " its own address", Why: "a virtual address, a balancer or a NAT is not one node, so it counts for none",
			Do: "put the nodes' own addresses in the join list, or set advertise on that node"}
	},
	// The roster fell apart.
	"pledge-outdated": func(r Reason) problem.Problem {
		return problem.Problem{What: "the configuration changed since roster " + r.Roster.Short() + " was agreed on", Why: "cluster, voters or join are others", Do: "nothing, if it is so on all nodes"}
	},
	"pledge-moved": func(r Reason) problem.Problem {
		return problem.Problem{What: "this node's address changed since roster " + r.Roster.Short() + " was agreed on", Why: "it was " + r.Ours + " and is " + r.Theirs, Do: "nothing; if it changes often, set advertise or a fixed address"}
	},
	"founder-replaced": func(r Reason) problem.Problem {
		return problem.Problem{What: r.who() + " of roster " + r.Roster.Short() + " is gone: another node answers at " + r.Addr.String(), Why: "its disk was replaced or wiped (the new one is " + r.Theirs + ")",
			Do: "nothing: the next roster has the new node"}
	},
	"founder-silent": func(r Reason) problem.Problem {
		return problem.Problem{What: r.who() + " agreed on a roster and does not answer" + r.since(), Why: "a cluster starts only when all its nodes are there", Do: "start it; the others agree anew without or with it"}
	},
	"founder-aborted": func(r Reason) problem.Problem {
		return problem.Problem{What: r.who() + " gave up roster " + r.Roster.Short(), Why: "it missed a node, or found another roster first", Do: "nothing: the nodes agree anew"}
	},
	"founder-elsewhere": func(r Reason) problem.Problem {
		return problem.Problem{What: r.who() + " agreed on another roster than " + r.Roster.Short(), Why: "nodes that start together may not see the same ones at first", Do: "nothing: the nodes agree anew"}
	},
	"founder-changed": func(r Reason) problem.Problem {
		return problem.Problem{What: r.who() + " is not what roster " + r.Roster.Short() + " says", Why: "its address or configuration changed: " + r.Ours + ", now " + r.Theirs, Do: "nothing: the nodes agree anew"}
	},
	// Two clusters.
	"foreign-cluster": func(r Reason) problem.Problem {
		return problem.Problem{What: "another cluster with this name and secret exists: " + r.Roster.Short() + " at " + r.who(), Why: "this node is of " + nothingIf(r.Ours) + "; clusters never merge",
			Do: "decide which one stays, and empty the data directories of the other's nodes"}
	},
	// Blocked.
	"id-twice": func(r Reason) problem.Problem {
		return problem.Problem{What: "this node runs a second time at " + r.Addr.String(), Why: "that process has our node ID: its data directory is a copy of ours, or ours of it",
			Do: "stop the copy and empty its data directory, then restart this node"}
	},
	"disk-copied": func(r Reason) problem.Problem {
		return problem.Problem{What: "this node runs twice", Why: r.who() + " has seen another process with our node ID and start " + fmt.Sprint(r.Have) + ": its data directory is a copy of ours, or ours of it",
			Do: "stop the copy and empty its data directory, then restart this node"}
	},
	"disk-old": func(r Reason) problem.Problem {
		return problem.Problem{What: "this node's disk is an old copy", Why: fmt.Sprintf("%s has seen its start %d, the disk says %d: a snapshot or backup was restored, or a copy runs elsewhere", r.who(), r.Want, r.Have),
			Do: fmt.Sprintf("empty the data directory: the node comes back as a new one; or, if only a copy ran elsewhere, stop that, empty its directory, stop this node, set \"starts\" to %d in its state.json and start it", r.Want)}
	},
	"data-lost": func(r Reason) problem.Problem {
		return problem.Problem{What: "the member's directory is gone", Why: "state.json says that this node is a member; with an empty directory it would forget what it promised the others",
			Do: "mount or restore the directory, or empty the whole data directory: the node comes back as a new one"}
	},
	"data-unknown": func(r Reason) problem.Problem {
		return problem.Problem{What: "the member's directory is not this node's", Why: "there is data, but state.json knows of no member", Do: "restore state.json that belongs to it, or empty the data directory"}
	},
	"data-other": func(r Reason) problem.Problem {
		return problem.Problem{What: "the member's directory is of another node or cluster", Why: "its IDs are not those in state.json", Do: "restore the directory that belongs to this node, or empty the data directory"}
	},
}

func nothingIf(roster string) string {
	if roster == "" {
		return "none"
	}
	return roster
}
