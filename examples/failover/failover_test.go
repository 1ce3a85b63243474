package main

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/node/nodetest"
)

// vip is the resource: it keeps the highest fence and refuses lower ones.
type vip struct {
	mu    sync.Mutex
	fence int64
	up    chan int64 // tells of each take-over
}

func (a *vip) Up(fence int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if fence < a.fence {
		return errors.New("a later holder has the address")
	}
	a.fence = fence
	a.up <- fence
	return nil
}

func (a *vip) Down() {}

// When the active box is killed, the other has the address within TTL + 1 s.
func TestFailover(t *testing.T) {
	nodetest.Virtual(t, 50, func(t *testing.T, v *nodetest.VirtualNode) {
		address := &vip{up: make(chan int64, 1)}
		box1, box2 := v.Process("box1"), v.Process("box2")
		go serve(box1.Context(), box1, address)
		first := <-address.up
		go serve(box2.Context(), box2, address)
		v.Elapse(10*time.Second + time.Duration(v.Rand().IntN(1000))*time.Millisecond)

		box1.Crash() // as kill -9
		killed := time.Now()
		if second := <-address.up; second <= first {
			t.Errorf("fence %d after fence %d", second, first)
		}
		if took := time.Since(killed); took > 3*time.Second {
			t.Errorf("the take-over took %v", took)
		}
	})
}
