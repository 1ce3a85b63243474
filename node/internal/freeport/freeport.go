// Package freeport finds ports for tests that must know them before anything
// listens there.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken below the range from which kernels take those of outgoing
// connections, so that a node that is down finds its own free.
const (
	first = 20000
	count = 12000
	tries = 500
)

// Block returns the first of size consecutive ports on 127.0.0.1 that were free
// a moment ago for TCP, and the first of them for UDP.
func Block(size int) (int, error) {
	for range tries {
		if b := first + size*rand.N(count/size); free(b, size) {
			return b, nil
		}
	}
	return 0, errors.New("find free ports: none on 127.0.0.1 between 20000 and 32000")
}

func free(b, size int) bool {
	addr := func(p int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p)) }
	u, err := net.ListenPacket("udp", addr(b))
	if err != nil {
		return false
	}
	defer u.Close()
	for p := b; p < b+size; p++ {
		l, err := net.Listen("tcp", addr(p))
		if err != nil {
			return false
		}
		defer l.Close()
	}
	return true
}
