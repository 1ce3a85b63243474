package embed_test

import (
	"errors"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/quorate/quorate/embed"
)

// setVersion makes the database claim a version of the future.
func setVersion(dir, bucket, key string) {
	db, err := bolt.Open(dbFile(dir), 0o600, nil)
	must(err)
	must(db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), []byte("3.99.0")) }))
	must(db.Close())
}

// limitFiles is a full disk without one: writes past size fail with EFBIG.
func limitFiles(size uint64) {
	ignoreSIGXFSZ()
	must(unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}))
}

// fill writes until the member dies, and checks how it does.
func fill(m *member) error {
	m.write(1)
	limitFiles(1 << 20)
	for i := 0; ; i++ {
		if _, err := m.Client().Put(m.ctx, "k"+strconv.Itoa(i), strings.Repeat("x", 32<<10)); err != nil {
			break
		}
	}
	select {
	case <-m.Done():
	case <-m.ctx.Done():
		return errors.New("Done is not closed")
	}
	var told error
	select {
	case told = <-m.fatal:
	case <-m.ctx.Done():
		return errors.New("OnFatal is not called")
	}
	if !errors.Is(told, m.Err()) {
		return errors.New("OnFatal was told something else")
	}
	if _, err := m.Client().Get(m.ctx, "k"); !errors.Is(err, embed.ErrNoSpace) {
		return errors.New("a read of a dead member does not say why")
	}
	began := time.Now()
	if err := m.stop(); !errors.Is(err, m.Err()) || time.Since(began) > 3*time.Second {
		return errors.New("Stop of a dead member")
	}
	return m.Err()
}
