// Package testhook is how nodetest reaches into a node: what a test needs beside
// Config, without a field for it there. Programs cannot import it.
package testhook

import (
	"context"
	"crypto/tls"
	"net/netip"

	"github.com/quorate/quorate/bootstrap"
)

// A Hook is handed to node.Start in its context. The zero Hook changes nothing.
type Hook struct {
	// Gate is what the node's gossip and cluster RPC pass through.
	Gate *bootstrap.Gate

	// Raft is called before the member first starts, with the address under
	// which the others reach its raft and the two sides of its TLS. It stands
	// there itself from then on, and returns where the member is to listen.
	Raft func(public netip.AddrPort, server, client *tls.Config) (inner netip.AddrPort, err error)

	// Kill is set by Start: it ends the node as a killed process ends, as far as
	// one can inside a process. The Gate must be shut before.
	Kill func()
}

type key struct{}

// With returns a context for node.Start.
func With(ctx context.Context, h *Hook) context.Context { return context.WithValue(ctx, key{}, h) }

// From returns the hook in ctx, never nil.
func From(ctx context.Context) *Hook {
	if h, ok := ctx.Value(key{}).(*Hook); ok {
		return h
	}
	return &Hook{}
}
