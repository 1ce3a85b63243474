package nodetest

var ChosenSeeds = chosenSeeds

// Story is what was done to v so far, in order.
func (v *VirtualNode) Story() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.notes...)
}
