//go:build !race

package embed

const stormCycles = 100_000
