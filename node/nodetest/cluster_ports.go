package nodetest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
)

// Ports are taken below the range from which kernels take those of outgoing
// connections, so that a node that is down finds its own free.
const (
	portFirst = 20000
	portCount = 12000
	portBlock = 4 // gossip, cluster RPC, raft as others see it, raft behind the relay
	portTries = 200
)

// freeBlocks are the first ports of n blocks that were free a moment ago.
func freeBlocks(t testing.TB, n int) []int {
	t.Helper()
	var blocks []int
	for range portTries {
		if len(blocks) == n {
			return blocks
		}
		b := portFirst + portBlock*rand.N(portCount/portBlock)
		if !slices.Contains(blocks, b) && freeBlock(b) {
			blocks = append(blocks, b)
		}
	}
	t.Fatalf("no %d blocks of free ports on 127.0.0.1 between %d and %d", n, portFirst, portFirst+portCount)
	return nil
}

func freeBlock(b int) bool {
	u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", b))
	if err != nil {
		return false
	}
	defer u.Close()
	for p := b; p < b+portBlock; p++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err != nil {
			return false
		}
		defer l.Close()
	}
	return true
}
