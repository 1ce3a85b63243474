//go:build !race

package nodetest_test

const slow = false
