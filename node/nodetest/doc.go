// Package nodetest is for the tests of programs that are built on a node.
//
// [New] is a running node: a real etcd member with its sockets, in
// milliseconds, closed when the test ends.
//
// [Cluster] is several of them that have formed one cluster over loopback, in
// seconds: gossip, mutual TLS and raft are real, and [Machines] can be stopped,
// killed, and cut off from each other. It is where take-overs are tried that
// [Virtual] tries thousands of times, with elections, partitions and restarts in
// them.
//
// [Virtual] runs a test many times, each time with a seed of its own, on a
// fresh and real etcd server in virtual time: inside a testing/synctest bubble,
// where a sleep of ten minutes takes as long as what wakes up meanwhile has to
// do. The words:
//
//   - [VirtualNode]: the server, and the first process on it. It is a
//     recipes.Source, so the code under test takes it for a node.
//   - [Process]: another process on the same server, with its own etcd client,
//     session and faults. It can crash, pause, and lose the raft leader.
//   - [Fault]: something that goes wrong between a process and the server.
//     [Faults] says how often; the seed decides when.
//   - seed: what all random decisions of one run follow from. A failed run
//     prints the line that repeats it.
//
// # What virtual time shows, and what it cannot
//
// The server is etcd's own, with its leases, revisions, watches and
// compactions; the clients are the ones that a node hands out. Time is exact:
// nothing happens late because a machine was busy. So TTLs, deadlines,
// take-overs and races around them can be tested to the millisecond, thousands
// of times.
//
// There is no network, no disk that can be slow or full, no second member and
// no CPU that is short: faults are made between the client and the server, one
// member answers at once and never forgets, and nothing is promised about how
// goroutines that can run at the same instant are ordered. A seed repeats the
// decisions about faults, call by call, and not the schedule of goroutines; a
// failure that needs both may take a few repetitions (go test -count). A
// paused [Process] reaches nobody and hears nothing, but its goroutines and
// timers go on, as they would not under SIGSTOP. Real processes, machines and
// disks are tested with real processes, machines and disks.
//
// Importing this package makes the segments of etcd's log small in this
// process; servers in virtual time keep their files in /dev/shm where there is
// one and TMPDIR is not set.
package nodetest
