//go:build !race

package embed

const (
	stormCycles   = 100_000
	historySeeds  = 4
	historyWrites = 2500
)
