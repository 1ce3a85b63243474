package bootstrap_test

// ends is filled in below.
func (x *search) ends(k key) string { return "" }
