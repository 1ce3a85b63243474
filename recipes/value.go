package recipes

import (
	"encoding/json"
	"fmt"
)

// claimValue is what stands in a claim's key. A foreign claim (etcd's own Mutex,
// etcdctl lock) has an empty value and is exclusive, as every claim is.
type claimValue struct {
	Version int    // format version, 1; a newer one is still a claim
	Owner   string // who, for people
	extra   map[string]json.RawMessage
}

func (v claimValue) encode() string {
	m := make(map[string]any, len(v.extra)+2)
	for k, x := range v.extra {
		m[k] = x // fields of a newer build stay as they are
	}
	m["v"], m["owner"] = v.Version, v.Owner
	b, err := json.Marshal(m) // a map: keys come sorted
	if err != nil {
		panic(fmt.Sprintf("encode claim: %v", err)) // an int, a string and valid JSON: cannot fail
	}
	return string(b)
}

// decodeClaim reads a claim's value; what it does not understand is kept. It
// never fails: a claim counts by its key alone.
func decodeClaim(b []byte) claimValue {
	var v claimValue
	if json.Unmarshal(b, &v.extra) != nil {
		return claimValue{}
	}
	if json.Unmarshal(v.extra["v"], &v.Version) == nil {
		delete(v.extra, "v")
	}
	if json.Unmarshal(v.extra["owner"], &v.Owner) == nil {
		delete(v.extra, "owner")
	}
	return v
}

// holder is who stands at the head of a line, for error texts.
type holder struct {
	owner, key string
	fence      int64
}

func (h holder) String() string {
	if h.owner == "" {
		return fmt.Sprintf("the foreign key %s (fence %d)", h.key, h.fence)
	}
	return fmt.Sprintf("%s (fence %d)", h.owner, h.fence)
}
