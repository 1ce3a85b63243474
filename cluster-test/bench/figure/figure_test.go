package figure

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestRows(t *testing.T) {
	rows := []Row{
		Print("modules", 7, "modules"),
		AtMost("start", 151, "ms", 150, "p50"),
		AtLeast("cycles", 120000, "/s", 100000, ""),
		NoSlower("event", 12, 10, "µs", 1.2, ""),
		Faster("read", 10, 24, "µs", 2.5, ""),
	}
	met := []bool{true, false, true, true, false}
	for i, r := range rows {
		if r.Met != met[i] {
			t.Errorf("%s: met = %v", r.Name, r.Met)
		}
	}
	var table bytes.Buffer
	if err := Table(&table, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"start    151 ms", "≤ 150 ms p50", "NO", "2.4 ×", "120000 /s"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
	var j bytes.Buffer
	if err := JSON(&j, rows); err != nil {
		t.Fatal(err)
	}
	var back []map[string]any
	if err := json.Unmarshal(j.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"name", "value", "unit", "baseline", "ratio", "target", "met"} {
		if _, ok := back[0][key]; !ok {
			t.Errorf("the JSON row lacks %q", key)
		}
	}
	if back[0]["target"] != "" || back[0]["met"] != true {
		t.Errorf("a row that only prints: %v", back[0])
	}
}

func TestQuantile(t *testing.T) {
	var s []time.Duration
	for i := 100; i >= 1; i-- {
		s = append(s, time.Duration(i))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.95: 95, 1: 100} {
		if got := Quantile(s, q); got != want {
			t.Errorf("Quantile(%v) = %d, want %d", q, got, want)
		}
	}
	if Quantile(nil, 0.5) != 0 {
		t.Error("no samples have a quantile")
	}
}
