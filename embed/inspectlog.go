package embed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// logFacts is what the log says about itself.
type logFacts struct {
	member  types.ID // whose it is
	cluster types.ID // of which cluster
	last    uint64   // index of its last entry or snapshot
	voted   bool     // it has a term, and perhaps a vote
	clean   bool     // it could be read to its end
}

// readLog reads the last segment of the log, which is where a torn write is,
// and the only one that etcd repairs. A record that cannot be read ends the
// reading without an error: whether etcd may cut it off is for checkIndex to
// say. Damage in earlier segments is found by etcd's own start.
func readLog(dir string) (*logFacts, error) {
	name, err := lastSegment(dir)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	facts := &logFacts{last: firstIndex(name)}
	if facts.last > 0 {
		facts.last-- // a segment that was just begun follows on this entry
	}
	dec := wal.NewDecoder(fileutil.NewFileReader(f))
	for {
		var rec walpb.Record
		if err := dec.Decode(&rec); err != nil {
			facts.clean = errors.Is(err, io.EOF)
			break
		}
		if err := facts.note(&rec, dec); err != nil {
			return nil, err
		}
	}
	if facts.member == 0 {
		return nil, errors.New("read log: its head is unreadable")
	}
	return facts, nil
}

func (l *logFacts) note(rec *walpb.Record, dec wal.Decoder) error {
	switch rec.GetType() {
	case wal.CrcType: // a segment's checksum goes on from the one before
		dec.UpdateCRC(rec.GetCrc())
	case wal.MetadataType:
		var md pb.Metadata
		if err := proto.Unmarshal(rec.Data, &md); err != nil {
			return fmt.Errorf("decode log metadata: %w", err)
		}
		l.member, l.cluster = types.ID(md.GetNodeID()), types.ID(md.GetClusterID())
	case wal.EntryType:
		var e raftpb.Entry
		if err := proto.Unmarshal(rec.Data, &e); err != nil {
			return fmt.Errorf("decode log entry: %w", err)
		}
		l.last = e.GetIndex() // an entry replaces those of its index and after
	case wal.StateType:
		l.voted = true
	case wal.SnapshotType:
		var s walpb.Snapshot
		if err := proto.Unmarshal(rec.Data, &s); err != nil {
			return fmt.Errorf("decode log snapshot: %w", err)
		}
		l.last = max(l.last, s.GetIndex())
	}
	return nil
}

// lastSegment is the newest file of the log. Their names sort by age.
func lastSegment(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("read log: %w", err)
	}
	last := ""
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".wal") {
			last = e.Name()
		}
	}
	if last == "" {
		return "", errors.New("read log: no segment")
	}
	return last, nil
}

// firstIndex is the index of the first entry that a segment was made for.
func firstIndex(name string) (index uint64) {
	var seq uint64
	if _, err := fmt.Sscanf(name, "%016x-%016x.wal", &seq, &index); err != nil {
		return 0
	}
	return index
}
