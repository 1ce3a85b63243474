package bootstrap

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	repeatAfter = time.Minute // how soon one kind of warning is shown again
	kindsMax    = 64
)

// gossipLog turns memberlist's lines into records: "[WARN] memberlist: text".
// What strangers can provoke at will, by a port scan say, is shown once a minute
// for each kind, else as debug.
type gossipLog struct {
	log *slog.Logger

	mu    sync.Mutex
	shown map[string]time.Time
}

// newGossipLog is the logger to hand to memberlist.
func newGossipLog(l *slog.Logger) *log.Logger {
	return log.New(&gossipLog{log: l.With("logger", "memberlist"), shown: map[string]time.Time{}}, "", 0)
}

func (g *gossipLog) Write(b []byte) (int, error) {
	level, text := parseGossipLine(string(b))
	if level >= slog.LevelWarn && !g.first(text) {
		level = slog.LevelDebug
	}
	g.log.Log(context.Background(), level, text)
	return len(b), nil
}

// first says whether a line of this kind was not shown of late. The kind is how
// the line begins, before names and addresses.
func (g *gossipLog) first(text string) bool {
	kind := text[:min(len(text), 20)]
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if at, ok := g.shown[kind]; ok && now.Sub(at) < repeatAfter {
		return false
	}
	if len(g.shown) >= kindsMax {
		clear(g.shown)
	}
	g.shown[kind] = now
	return true
}

// parseGossipLine splits a line of memberlist's into level and text. Its errors
// are warnings here: gossip is a hint, and it tries again.
func parseGossipLine(line string) (slog.Level, string) {
	line = strings.TrimSpace(line)
	level := slog.LevelWarn
	if rest, ok := strings.CutPrefix(line, "["); ok {
		if name, text, ok := strings.Cut(rest, "] "); ok {
			line = text
			switch name {
			case "DEBUG":
				level = slog.LevelDebug
			case "INFO":
				level = slog.LevelInfo
			}
		}
	}
	return level, strings.TrimPrefix(line, "memberlist: ")
}
