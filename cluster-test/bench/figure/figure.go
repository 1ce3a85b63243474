// Package figure holds what every benchmark of this module shares: the row, its
// table on the terminal, its JSON, and the statistics behind it.
package figure

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"
)

// Row is one figure. A row that only prints has an empty Target and is Met.
type Row struct {
	Name     string   `json:"name"`
	Value    float64  `json:"value"`
	Unit     string   `json:"unit"`
	Baseline *float64 `json:"baseline"` // the other way of doing it, measured in the same run; null if there is none
	Ratio    *float64 `json:"ratio"`    // baseline ÷ value if more is better for us, value ÷ baseline if less is: as Target words it
	Target   string   `json:"target"`
	Met      bool     `json:"met"`
}

// Print makes a row without a target.
func Print(name string, value float64, unit string) Row {
	return Row{Name: name, Value: value, Unit: unit, Met: true}
}

// AtMost makes a row whose value must not exceed limit.
func AtMost(name string, value float64, unit string, limit float64, note string) Row {
	return Row{Name: name, Value: value, Unit: unit, Target: target("≤", limit, unit, note), Met: value <= limit}
}

// AtLeast makes a row whose value must reach limit.
func AtLeast(name string, value float64, unit string, limit float64, note string) Row {
	return Row{Name: name, Value: value, Unit: unit, Target: target("≥", limit, unit, note), Met: value >= limit}
}

// NoSlower makes a row whose value may be limit × the baseline at most.
func NoSlower(name string, value, baseline float64, unit string, limit float64, note string) Row {
	ratio := value / baseline
	return Row{Name: name, Value: value, Unit: unit, Baseline: &baseline, Ratio: &ratio, Target: target("≤", limit, "×", note), Met: ratio <= limit}
}

// Faster makes a row whose baseline must be at least limit × the value.
func Faster(name string, value, baseline float64, unit string, limit float64, note string) Row {
	ratio := baseline / value
	return Row{Name: name, Value: value, Unit: unit, Baseline: &baseline, Ratio: &ratio, Target: target("≥", limit, "×", note), Met: ratio >= limit}
}

func target(sign string, limit float64, unit, note string) string {
	s := sign + " " + short(limit) + " " + unit
	if note != "" {
		s += " " + note
	}
	return s
}

// Table writes the rows for a person.
func Table(w io.Writer, rows []Row) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "FIGURE\tVALUE\tBASELINE\tRATIO\tTARGET\tMET")
	for _, r := range rows {
		base, ratio, goal, met := "", "", r.Target, "yes"
		if r.Baseline != nil {
			base = short(*r.Baseline) + " " + r.Unit
		}
		if r.Ratio != nil {
			ratio = short(*r.Ratio) + " ×"
		}
		switch {
		case r.Target == "":
			met = ""
		case !r.Met:
			met = "NO"
		}
		fmt.Fprintf(tw, "%s\t%s %s\t%s\t%s\t%s\t%s\n", r.Name, short(r.Value), r.Unit, base, ratio, goal, met)
	}
	return tw.Flush()
}

// JSON writes the rows as an array.
func JSON(w io.Writer, rows []Row) error {
	if rows == nil {
		rows = []Row{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(rows)
}

// short writes a number with three significant digits, or whole if it is large.
func short(v float64) string {
	if math.Abs(v) >= 100 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// Quantile returns the q-quantile (0…1) of samples; it sorts them.
func Quantile(samples []time.Duration, q float64) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	slices.Sort(samples)
	i := int(math.Ceil(q*float64(len(samples)))) - 1
	return samples[min(max(i, 0), len(samples)-1)]
}

// Milliseconds and Microseconds turn a duration into a row's value.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func Microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
