// Package quorate is the map of the module; it holds no code.
//
// Quorate puts a coordination service inside the application: each process
// embeds one etcd member, and the application gets locks, keys and watches by
// direct calls. Nothing else is deployed.
//
// Import these:
//
//   - [github.com/quorate/quorate/node]: the public face. Start, Ready, Status,
//     Events, Close; every recipe is reached from a *node.Node. Most programs
//     import nothing else.
//   - [github.com/quorate/quorate/recipes]: what a lock gives its holder, and
//     the recipes on any etcd client, for programs without a node.
//   - [github.com/quorate/quorate/node/nodetest]: nodes for your own tests, and
//     the real etcd server in virtual time.
//   - [github.com/quorate/quorate/cmd/peer/command]: the commands of the peer
//     binary, to mount in a product's own command line.
//
// These are importable, with no promise of compatibility:
//
//   - [github.com/quorate/quorate/embed]: one etcd member in this process; the
//     only importer of etcd's server code.
//   - [github.com/quorate/quorate/bootstrap]: who this process is, and how it
//     gets into a cluster.
//
// Each foreign giant is known by exactly one package, leaves do not know each
// other, and node joins them; a test holds the direction.
package quorate
