// Package node is the public face of Quorate: one [Node] is one member of a
// coordination cluster inside this process.
//
// The nouns: a [Node] runs an etcd member in the process and gives locks, keys
// and watches by direct calls. Its [Status] says how it is, with a [Problem]
// for each thing that a person may have to mend; its [Event]s say what
// happened. Other processes of the same box reach it through its sockets, by
// [Dial] and [Remote].
//
// The smallest program:
//
//	n, err := node.Start(ctx, node.Config{})
//	if err != nil {
//		return err
//	}
//	defer n.Close()
//	h, err := n.Mutex("migrate").Lock(ctx)
//	if err != nil {
//		return err
//	}
//	defer h.Release(ctx)
//
// # One of several
//
// With Config.Join a node is one of several on machines of their own. They find
// each other by gossip, agree once on who the first voters are, and then form one
// cluster; all need the same Cluster, Join and Secret, and nothing else is
// deployed:
//
//	n, err := node.Start(ctx, node.Config{
//		Cluster: "acme", DataDir: "/var/lib/acme",
//		Join:   []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"},
//		Secret: node.SecretFile("/etc/acme/cluster.secret"),
//	})
//
// One cluster forms per secret, name and join list, under any partition or crash.
// It needs all of the voters present once; from then on a majority of them can
// read and write, and a node with data starts from its disk without a word from
// anybody. A node that comes too late, or whose disk was emptied, finds the
// cluster, says so, and waits. Package nodetest has clusters for tests, whose
// nodes can be killed and cut off.
//
// # Life of a node
//
// [Start] does what needs this machine only, and returns: an error from it is
// something that a person must mend here. What depends on others is state:
// [Node.Status] never blocks, [Node.Events] streams, [Node.Ready] waits until
// one linearizable read has succeeded. Recipes can be used at once and wait
// under their own ctx; their errors say who is missing. A box that is switched
// on alone runs its own programs, and reads what its disk knows with
// clientv3.WithSerializable.
//
// [Node.Close] gives back what the node holds, stops it, and keeps its data and
// its membership. [Node.Done] and [Node.Err] tell of a node that ended by
// itself. Several nodes may live in one process.
//
// # What a host must know
//
// The node installs no signal handler, never calls os.Exit, and logs only to
// Config.Logger. The member shares the fate of the process: a panic on one of
// etcd's goroutines cannot be caught and ends the process, so run it under a
// supervisor. A fatal error that etcd reports (a failed write of its log, say)
// ends the node but not the process: [Node.Done] closes, [Node.Err] has the
// cause, and the data directory can only be opened again by a new process.
//
// Importing this package links etcd's server, which registers its metrics in
// the default Prometheus registry and a handler or two on the default HTTP mux.
// Quorate adds nothing to either; [Gatherer] is the part of the default
// registry that is etcd's.
package node
