package embed

import (
	"maps"
	"slices"
	"testing"

	"go.uber.org/zap/zapcore"
)

// What is usual is quiet; the same words as a last word, and all other words,
// are not.
func TestUsualIsQuiet(t *testing.T) {
	messages := append(slices.Collect(maps.Keys(usual)), "6f68 cannot campaign at term 1"+stillApplying)
	for _, message := range messages {
		for level, want := range map[zapcore.Level]zapcore.Level{
			zapcore.WarnLevel:  zapcore.DebugLevel,
			zapcore.ErrorLevel: zapcore.DebugLevel,
			zapcore.PanicLevel: zapcore.PanicLevel,
			zapcore.FatalLevel: zapcore.FatalLevel,
		} {
			if got := calm(zapcore.Entry{Message: message, Level: level}); got != want {
				t.Errorf("%q at %v is logged as %v, want %v", message, level, got, want)
			}
		}
	}
	if got := calm(zapcore.Entry{Message: "slow fdatasync", Level: zapcore.WarnLevel}); got != zapcore.WarnLevel {
		t.Errorf("another warning is logged as %v", got)
	}
}
