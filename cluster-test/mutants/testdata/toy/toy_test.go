package toy

import "testing"

func TestNext(t *testing.T) {
	for _, n := range []int{0, 1, 41} {
		if Next(n) != n+1 {
			t.Errorf("Next(%d) = %d", n, Next(n))
		}
	}
}

func TestTwice(t *testing.T) {
	t.Run("small", func(t *testing.T) {
		if Twice(2) != 4 {
			t.Error("wrong")
		}
	})
}

func TestAlwaysFails(t *testing.T) { t.Error("as it is") }

func TestSkipped(t *testing.T) { t.Skip("says nothing") }
