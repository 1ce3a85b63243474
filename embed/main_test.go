package embed_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain doubles as the processes that the table and the manners test need:
// see TestTable.
func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		os.Exit(child(name))
	}
	goleak.VerifyTestMain(m)
}
