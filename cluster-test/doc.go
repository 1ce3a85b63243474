// Package clustertest is a module of its own: what proves Quorate from outside,
// and would burden the module of a user (README.md says how to run it).
//
//   - mutants: every safety sentence has a named change that must turn a named
//     test red (../mutants.txt); the runner makes each change and looks.
//   - bench: the figures the README quotes, side by side with etcd's own ways.
//   - the tests in this directory: the same faults on stock etcd's client, and
//     stock etcdctl on our socket.
package clustertest
