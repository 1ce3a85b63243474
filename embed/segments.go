package embed

import "go.etcd.io/etcd/server/v3/storage/wal"

// SmallSegments makes the files of the write-ahead log 256 KB instead of etcd's
// 64 MB, for all members of this process: each member allocates two before it
// starts. It is for tests that start members by the thousand. It changes a
// variable of etcd's without a lock, so call it from an init function.
func SmallSegments() { wal.SegmentSizeBytes = 256 << 10 }
