package bootstrap_test

// visited is the set of states seen, in the order in which they were found, each
// with the state from which it was found. It is exact: no hashes stand for
// states.
type visited struct {
	states []key
	parent []uint32
	table  []uint32 // index + 1, open addressing
}

func newVisited() visited { return visited{table: make([]uint32, 1<<12)} }

func (v *visited) len() int     { return len(v.states) }
func (v *visited) at(i int) key { return v.states[i] }

// add reports whether k is new.
func (v *visited) add(k key, parent int) bool {
	if 3*len(v.states) >= 2*len(v.table) {
		v.grow()
	}
	slot := k.hash() & uint64(len(v.table)-1)
	for v.table[slot] != 0 {
		if v.states[v.table[slot]-1] == k {
			return false
		}
		slot = (slot + 1) & uint64(len(v.table)-1)
	}
	v.states, v.parent = append(v.states, k), append(v.parent, uint32(parent))
	v.table[slot] = uint32(len(v.states))
	return true
}

func (v *visited) grow() {
	v.table = make([]uint32, 2*len(v.table))
	for i, k := range v.states {
		slot := k.hash() & uint64(len(v.table)-1)
		for v.table[slot] != 0 {
			slot = (slot + 1) & uint64(len(v.table)-1)
		}
		v.table[slot] = uint32(i + 1)
	}
}

func (k key) hash() uint64 { return mix(mix(mix(k[0])^k[1]) ^ k[2]) }

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// memo remembers the plan for a state and a view, both packed in a word.
type memo struct {
	keys []uint64 // key + 1
	vals []uint32
	n    int
}

func newMemo() memo { return memo{keys: make([]uint64, 1<<10), vals: make([]uint32, 1<<10)} }

func (m *memo) find(k uint64) uint64 {
	slot := mix(k) & uint64(len(m.keys)-1)
	for m.keys[slot] != 0 && m.keys[slot] != k+1 {
		slot = (slot + 1) & uint64(len(m.keys)-1)
	}
	return slot
}

func (m *memo) get(k uint64) (int, bool) {
	slot := m.find(k)
	return int(m.vals[slot]), m.keys[slot] != 0
}

func (m *memo) put(k uint64, v int) {
	if 2*m.n >= len(m.keys) {
		old := *m
		*m = memo{keys: make([]uint64, 2*len(old.keys)), vals: make([]uint32, 2*len(old.keys)), n: old.n}
		for i, k := range old.keys {
			if k != 0 {
				slot := m.find(k - 1)
				m.keys[slot], m.vals[slot] = k, old.vals[i]
			}
		}
	}
	slot := m.find(k)
	if m.keys[slot] == 0 {
		m.n++
	}
	m.keys[slot], m.vals[slot] = k+1, uint32(v)
}
