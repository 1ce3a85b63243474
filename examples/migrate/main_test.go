package main

import (
	"testing"
)

func TestRun(t *testing.T) {
	db := &database{version: 1}
	if err := run(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if db.version != 3 || db.fence == 0 {
		t.Errorf("database = %+v", db)
	}
	if err := db.migrate(t.Context(), db.fence-1); err == nil {
		t.Error("an older fence was accepted")
	}
}
