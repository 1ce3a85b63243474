package pki_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/quorate/quorate/internal/pki"
)

func BenchmarkWriteFiles(b *testing.B) {
	k := derive(b, counting, "acme")
	b.Run("first", func(b *testing.B) {
		dir := b.TempDir()
		for b.Loop() {
			if _, err := k.WriteFiles(filepath.Join(dir, "tls"), 0, now); err != nil {
				b.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(dir, "tls")); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		dir := filepath.Join(b.TempDir(), "tls")
		for b.Loop() {
			if _, err := k.WriteFiles(dir, 0, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("derive", func(b *testing.B) {
		s := pki.NewSecret()
		for b.Loop() {
			if _, err := pki.Derive(s, "acme"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
