package embed_test

import (
	"testing"

	"github.com/quorate/quorate/embed"
)

func TestLook(t *testing.T) {
	cfg := fast(t)
	d, err := embed.Look(cfg)
	if err != nil || d != (embed.Directory{}) {
		t.Errorf("an empty directory: %+v, %v", d, err)
	}
	m := startReady(t, cfg)
	s := m.Status()
	stop(t, m)
	d, err = embed.Look(cfg)
	if err != nil || !d.Log || d.Unborn || d.MemberID != s.ID || d.ClusterID != s.ClusterID {
		t.Errorf("a member's directory: %+v, %v, want the IDs of %+v", d, err, s)
	}
}
