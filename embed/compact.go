package embed

// compact keeps the history short.
func (m *Member) compact() { <-m.life.Done() }
