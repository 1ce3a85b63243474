package member

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/quorate/quorate/embed"
)

// startMember starts a bare member: what is compared on it must differ by what
// is around the server, so ticks are those of a single node and the disk, which
// would hide everything else, is not waited for.
func startMember(ctx context.Context, parent string, change func(*embed.EtcdConfig)) (*embed.Member, error) {
	dir, err := os.MkdirTemp(parent, "m")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	m, err := embed.Start(ctx, embed.Config{
		Name: "bench", Dir: dir, PeerURL: fmt.Sprintf("http://127.0.0.1:%d", port),
		Tick: 10 * time.Millisecond, Election: 100 * time.Millisecond, NoFsync: true, EtcdConfig: change,
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-m.Ready():
		return m, nil
	case <-ctx.Done():
		stopMember(m)
		return nil, context.Cause(ctx)
	}
}

func stopMember(m *embed.Member) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return m.Stop(ctx)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
