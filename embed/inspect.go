package embed

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"golang.org/x/sys/unix"
)

// inspect reads the data before etcd does. What it refuses costs nothing: the
// directory is untouched and can be tried again. etcd would panic on much of
// it, partly on goroutines of its own where nobody can recover; and it would
// run another member's data under our name, and write that name into it.
func inspect(c Config) error {
	_, err := os.Stat(dbPath(c))
	if errors.Is(err, fs.ErrNotExist) {
		if !wal.Exist(walDir(c)) {
			return checkFresh(c)
		}
		return damaged(fmt.Sprintf("there is a log in %s, but no database at %s", walDir(c), dbPath(c)), nil)
	}
	if err != nil {
		return dirError(c.Dir, err)
	}
	db, err := readDB(dbPath(c))
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return dirError(c.Dir, err)
		}
		return damaged(fmt.Sprintf("the database %s cannot be read: %v", dbPath(c), err), err)
	}
	if err := db.checkVersion(); err != nil {
		return err
	}
	if !wal.Exist(walDir(c)) {
		if db.applied == 0 { // the first start was cut off before it made the log
			return checkFresh(c)
		}
		return damaged(fmt.Sprintf("there is a database at %s, but no log in %s", dbPath(c), walDir(c)), nil)
	}
	log, err := readLog(walDir(c))
	if err != nil {
		return damaged(fmt.Sprintf("the log in %s cannot be read: %v", walDir(c), err), err)
	}
	if err := db.checkName(c, log); err != nil {
		return err
	}
	if unborn(db, log) {
		return clearUnborn(c)
	}
	return db.checkIndex(log)
}

// unborn reports whether a member was stopped or killed in its first instant,
// after it made its log and before it wrote who its founders are. etcd would
// start it without any voter, and so without a leader for ever. It has said
// nothing to anybody: no entry, no term, no vote, nothing applied.
func unborn(db *dbFacts, log *logFacts) bool {
	return log.clean && log.last == 0 && !log.voted && db.applied == 0 && len(db.names) == 0
}

// clearUnborn makes the directory new again.
func clearUnborn(c Config) error {
	for _, d := range []string{walDir(c), filepath.Join(c.Dir, "member")} {
		if err := os.RemoveAll(d); err != nil {
			return dirError(d, err)
		}
	}
	return checkFresh(c)
}

// dbFacts is what the database says about itself.
type dbFacts struct {
	storage, cluster string            // versions
	names            map[string]string // member ID to name
	applied          uint64            // index of the last log entry it has in it
}

func (d *dbFacts) checkVersion() error {
	ours, v := version.V3_7, version.V3_7 // for their type; both are set
	if err := ours.Set(version.Version); err != nil {
		return fmt.Errorf("parse etcd's version: %w", err)
	}
	for what, text := range map[string]string{"storage version": d.storage, "cluster version": d.cluster} {
		if v.Set(text) != nil {
			continue // not yet written
		}
		if v.Major > ours.Major || v.Major == ours.Major && v.Minor > ours.Minor {
			return newerVersion(fmt.Sprintf("its %s is %d.%d, this program's etcd is %d.%d", what, v.Major, v.Minor, ours.Major, ours.Minor), nil)
		}
	}
	return nil
}

// checkName compares the name with the one this member published when it first
// started.
func (d *dbFacts) checkName(c Config, log *logFacts) error {
	name := d.names[log.member.String()]
	if name == "" || name == c.Name {
		return nil
	}
	return refuse(ErrOtherMember, "other-member", fmt.Sprintf("the directory %s belongs to another member", c.Dir),
		fmt.Sprintf("it holds the data of %q, this is %q", name, c.Name),
		"give this node its own directory; never copy one node's data to another")
}

// checkIndex refuses a log that has lost entries which the database has. etcd
// would start with it, because it takes the loss for a write that was under way
// and cuts the log there; and would then skip as "already applied", and
// acknowledge, as many new writes as were lost.
func (d *dbFacts) checkIndex(log *logFacts) error {
	if log.last >= d.applied {
		return nil
	}
	return damaged(fmt.Sprintf("the log ends at entry %d, but the database has entry %d: entries are lost", log.last, d.applied), nil)
}

// readDB walks over a database as etcd will. A page that is not there is a fault
// signal, a page that makes no sense a panic; on this goroutine both become
// errors. It holds no lock afterwards, whatever happens.
func readDB(path string) (facts *dbFacts, err error) {
	var file *os.File
	defer func() {
		if p := recover(); p != nil {
			facts, err = nil, fmt.Errorf("read database: %v", p)
			if file != nil {
				// Closing alone would not drop bolt's lock, since the mapping that
				// is left behind holds the open file too.
				_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
				file.Close()
			}
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))

	fi, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read database: %w", err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		ReadOnly: true,
		Timeout:  time.Second, // a member that died in this process keeps its lock to the end
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			file = f
			return f, err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	defer db.Close()
	facts = &dbFacts{names: map[string]string{}}
	err = db.View(func(tx *bolt.Tx) error {
		if tx.Size() > fi.Size() {
			return fmt.Errorf("it is cut short: %d bytes of %d", fi.Size(), tx.Size())
		}
		// As etcd's opening of it walks over all pages, but there on another
		// goroutine.
		if err := tx.ForEach(func(_ []byte, b *bolt.Bucket) error { b.Stats(); return nil }); err != nil {
			return err
		}
		return facts.read(tx)
	})
	if err != nil {
		return nil, fmt.Errorf("read database: %w", err)
	}
	return facts, nil
}

func (d *dbFacts) read(tx *bolt.Tx) error {
	if b := tx.Bucket(schema.Meta.Name()); b != nil {
		d.storage = string(b.Get(schema.MetaStorageVersionName))
		if v := b.Get(schema.MetaConsistentIndexKeyName); len(v) == 8 {
			d.applied = binary.BigEndian.Uint64(v)
		}
	}
	if b := tx.Bucket(schema.Cluster.Name()); b != nil {
		d.cluster = string(b.Get(schema.ClusterClusterVersionKeyName))
	}
	b := tx.Bucket(schema.Members.Name())
	if b == nil {
		return nil
	}
	return b.ForEach(func(k, v []byte) error {
		var m struct{ Name string }
		if err := json.Unmarshal(v, &m); err != nil {
			return fmt.Errorf("decode member %s: %w", k, err)
		}
		d.names[string(k)] = m.Name
		return nil
	})
}
