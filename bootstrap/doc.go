// Package bootstrap knows who this process is and how it gets into a cluster.
//
// The nouns: an identity is a random node ID, never an address or a host name;
// the state file in the data directory keeps it, and with it whatever a node
// must remember before it may act. A wiped disk is a new identity.
//
// The package is importable, with no promise of compatibility. It knows nothing
// of etcd; package node joins the two.
package bootstrap
