//go:build !linux || !amd64

package killpoint

import "errors"

// Supported says that this platform can trace.
const Supported = false

func trace(int, string, string, []string) error { return errors.New("works on linux/amd64 only") }
