//go:build race

package embed

// There is less of everything here: the race detector makes it ten times slower
// and needs less to see what it looks for.
const (
	stormCycles   = 10_000
	historySeeds  = 2
	historyWrites = 1000
)
