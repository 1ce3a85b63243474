package recipes

import (
	"fmt"
	"net/url"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// The key map; DESIGN.md has the whole table.
const (
	root      = "/quorate/v1/"
	kindLock  = "lock"
	proofKey  = root + "sys/proof" // never written: what the read of a proof reads
	voidRoot  = root + "sys/void/" // + <lease-hex>.<n>: the claim of that number can never be put again
	maxName   = 255                // bytes, before escaping
	lockNoun  = "lock"
	maxOwner  = 255 // bytes
	claimVers = 1
)

// linePrefix is where the claims of one line stand. The name is escaped, "/"
// included, so that one name never reaches into another's keys.
func linePrefix(kind, name string) string {
	return root + kind + "/" + url.PathEscape(name) + "/"
}

func lockPrefix(name string) string { return linePrefix(kindLock, name) }

// claimID is unique for ever: lease IDs are, and n counts the claims of one lease.
func claimID(lease clientv3.LeaseID, n uint64) string {
	return fmt.Sprintf("%x.%d", int64(lease), n)
}

func checkName(noun, name string) error {
	if name == "" || len(name) > maxName {
		return nameError(noun, name, ErrName)
	}
	return nil
}
