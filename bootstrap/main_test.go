package bootstrap_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// memberlist's Shutdown does not wait for the probe that is under way. It
		// waits for its time-out, the probe interval times how ill this node feels
		// (AwarenessMaxMultiplier): at most 4 s. It holds no socket then.
		goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode"),
	)
}
