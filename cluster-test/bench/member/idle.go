package member

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/quorate/quorate/cluster-test/bench/figure"
	"github.com/quorate/quorate/node"
)

// IdleArg makes this program the child that idle measures.
const IdleArg = "idle-child"

// Idle is that child: a node that nobody uses, until stdin ends.
func Idle(stdin io.Reader) error {
	n, err := node.Start(context.Background(), node.Config{})
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Ready(context.Background()); err != nil {
		return err
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// idle measures a node in a process of its own, which does nothing else, over 20
// seconds, by the kernel's books.
func idle(ctx context.Context, _ string) ([]figure.Row, error) {
	const settle, window = 3 * time.Second, 20 * time.Second
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, settle+window+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, IdleArg)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer cmd.Wait()
	defer stdin.Close()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		return nil, fmt.Errorf("the child did not start: %q, %v", line, err)
	}
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	before, err := figure.ProcessorTime(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := pause(ctx, window); err != nil {
		return nil, err
	}
	after, err := figure.ProcessorTime(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	share := 100 * (after - before).Seconds() / time.Since(start).Seconds()
	rss, err := figure.ResidentMiB(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	return []figure.Row{
		figure.AtMost("idle node, processor", share, "% of a core", 2.5, ""),
		figure.AtMost("idle node, resident memory", rss, "MiB", 85, ""),
	}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
