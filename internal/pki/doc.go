// Package pki makes everything that a cluster derives from its one secret: the
// gossip key, the formation key, the certificate authority and the leaf
// certificates with which members speak TLS to each other; and it checks the
// certificates of those who bring their own.
//
// The same secret and cluster name give the same keys and the same bytes of the
// CA certificate on every machine and under every build, so machines that never
// spoke trust each other and show one fingerprint. Leaf keys are random and
// never leave their machine.
//
// Nothing here reads a clock: the time is handed in. Nothing here logs. Every
// error is a [github.com/quorate/quorate/internal/problem.Error] that says
// what is wrong, why, and what to do.
//
// Not promised: that secrets leave no trace in memory, swap or a core dump, and
// forward secrecy of what is derived: who holds the secret can make every key.
package pki
