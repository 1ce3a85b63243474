package embed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.etcd.io/etcd/server/v3/storage/wal"
)

// Directory is what a member directory holds, as Look finds it.
type Directory struct {
	Log    bool // there is a log
	Unborn bool // the log has nothing but its head: its member never said anything to anybody

	ClusterID, MemberID uint64 // of the log; 0 without one
}

// Look reads what is in the directories of cfg without changing them, while no
// member runs there. It returns an error that wraps ErrDamaged if the log or
// the database cannot be read.
func Look(cfg Config) (Directory, error) {
	if !wal.Exist(walDir(cfg)) {
		return Directory{}, nil
	}
	log, err := readLog(walDir(cfg))
	if err != nil {
		return Directory{}, damaged(fmt.Sprintf("the log in %s cannot be read: %v", walDir(cfg), err), err)
	}
	d := Directory{Log: true, ClusterID: uint64(log.cluster), MemberID: uint64(log.member)}
	if _, err := os.Stat(dbPath(cfg)); errors.Is(err, fs.ErrNotExist) {
		d.Unborn = log.clean && log.last == 0 && !log.voted
		return d, nil
	}
	db, err := readDB(dbPath(cfg))
	if err != nil {
		return Directory{}, damaged(fmt.Sprintf("the database %s cannot be read: %v", dbPath(cfg), err), err)
	}
	d.Unborn = unborn(db, log)
	return d, nil
}
