// Package toy is what the mutant runner tests itself on.
package toy

// Next counts up.
func Next(n int) int {
	if n < 0 {
		return 0
	}
	return n + 1
}

// Twice doubles.
func Twice(n int) int {
	return n + n
}
