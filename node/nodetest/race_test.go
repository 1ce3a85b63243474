//go:build race

package nodetest_test

const slow = true // the race detector makes everything some ten times slower
