//go:build race

package embed

// stormCycles is fewer here: the race detector makes each ten times slower and
// needs fewer to see what it looks for.
const stormCycles = 10_000
