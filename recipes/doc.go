// Package recipes holds locks on an etcd cluster, with what their holder needs
// to act safely.
//
// # Words
//
//   - A [Client] is this process's access; it outlives leases.
//   - A session is one lease's life. It is proven again and again; it is Live,
//     Suspect (nothing is granted) or Lost.
//   - A claim is a leased key in a line. The lowest create revision holds.
//   - A fence is the fencing token: the create revision of the holder's claim.
//   - [Held] is what an acquire returns.
//
// It needs a *clientv3.Client and nothing else: in process, over a node's
// socket, or over TLS to any etcd cluster.
//
// # Guarantees
//
// Lock, promised: fences strictly grow; the holder's context ends before the
// lease can, unless process or machine is paused: then [Held.Valid] is false on
// its first instruction after. Not promised: exclusion over outside resources
// that ignore the fence.
//
// A lock protects etcd's own keys fully ([Held.Guard] in each transaction), and
// an outside resource as far as that refuses what comes with a lower
// [Held.Fence] than it has seen. A holder that is paused between looking at
// Valid and acting acts late; no lock service can prevent that.
package recipes
