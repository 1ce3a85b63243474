package pki

// hidden keeps 32 bytes out of every printer, logger and encoder. They live in
// a closure, of which reflection sees an address only. The redacting methods of
// Secret and Keys are not enough for that: fmt does not call the methods of
// what stands in an unexported field, it prints the bytes.
type hidden struct {
	reveal func() [32]byte // nil in the zero value
}

func hide(b []byte) hidden {
	kept := [32]byte(b)
	return hidden{func() [32]byte { return kept }}
}
