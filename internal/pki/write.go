package pki

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// A content is what a file shall hold.
type content struct {
	path string
	b    []byte
}

// replaceFiles gives files new contents, mode 0600, in this order. After a
// crash each has either the old or the new ones, whole; which of the two is not
// promised. The caller is their only writer. All are synced at once, which
// takes little longer than one.
func replaceFiles(contents []content) error {
	errs := make([]error, len(contents))
	var wg sync.WaitGroup
	for i, c := range contents {
		wg.Go(func() { errs[i] = writeTemp(c.path+".tmp", c.b) })
	}
	wg.Wait()
	err := errors.Join(errs...)
	for _, c := range contents {
		if err == nil {
			err = os.Rename(c.path+".tmp", c.path)
		}
		if err != nil {
			os.Remove(c.path + ".tmp")
		}
	}
	return err
}

func writeTemp(temp string, b []byte) error {
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return fill(f, b)
}

// createFile makes path with these contents, mode 0600, whole or not at all
// also after a crash, and refuses with fs.ErrExist if there is something at
// path. A link does that; O_EXCL alone could leave half a file behind.
func createFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := fill(f, b); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// fill writes, syncs and closes.
func fill(f *os.File, b []byte) error {
	_, err := f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
