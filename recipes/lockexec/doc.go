// Package lockexec runs a command while a lock is held, and ends it before the
// lock can be another's. It is what `peer lock` is made of.
//
// # Guarantees
//
// When the lock is in doubt the command's process group gets TERM, a grace
// before [recipes.Held.Deadline], and KILL by the Deadline, so strictly before
// the lease can end on the server. The lock is released only after every process
// of the group is gone.
//
// Not promised: anything of processes that left the group (setsid, setpgid); a
// pause of this process beyond the deadline (SIGSTOP, a suspended machine): the
// group is then ended as soon as it runs again; on Linux, after this process is
// killed, more than the death of the command itself, its children may live on.
// What must never act late has to give [recipes.Held.Fence] (in PEER_FENCE) to
// the resource it works on.
package lockexec
