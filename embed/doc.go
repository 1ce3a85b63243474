// Package embed runs one etcd member inside this process.
//
// The nouns:
//
//   - [Member] is the running member; [Start] makes one, Stop ends it.
//   - [Config] is what it needs to know; every field says what its absence means.
//   - The in-process client ([Member.Client], [Member.NewClient]) is an etcd
//     client whose calls are function calls. A [Seam] puts something between it
//     and the server, for tests.
//   - [Status] is how the member is, without waiting.
//   - A virtual member ([StartVirtual]) is the real server without listeners,
//     for testing/synctest.
//
// This package alone imports etcd's server. It may be imported, and promises no
// compatibility; most programs want package node.
//
// # What ends a member
//
// Stop does. So does etcd when it gives up (a failed write to its log, say): the
// member then dies, Done is closed, Err says why, and the host lives on. What
// is left of a dead member cannot be cleared away: goroutines, files and locks
// of it stay until the process ends, a call that etcd was serving on the
// caller's own goroutine may never return, and a second Start on the directory
// is refused with [ErrRestartProcess].
//
// Two things end the process, and nothing in it can prevent them: a Go panic on
// one of etcd's goroutines (OnFatal is told first, where etcd logs the panic),
// and a page of the database that is gone from under its mapping, when somebody
// truncates the file. A program that must outlive them runs the member in a
// process of its own.
//
// # What a host should know
//
// The package installs no signal handler, exits by no path, replaces no logger
// and registers no metric. Importing etcd registers about 74 metric families in
// the default Prometheus registry and handlers under /debug on the default HTTP
// mux; [Gatherer] is the registry narrowed to them. Starting a member makes etcd
// register promhttp's two. etcd's transport between members obeys HTTPS_PROXY.
//
// Writes are sent once. Reads are repeated while the cluster is between leaders,
// until their context ends. History is kept for thirty seconds, or five while
// more than a quarter of the quota is in use: a watch that resumes from further
// back is told that it was compacted.
package embed
