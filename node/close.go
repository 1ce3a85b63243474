package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorate/quorate/embed"
)

// stopTimeout bounds the stop of the member: leadership transfer and the end of
// its listeners take milliseconds, a stuck disk may take for ever.
const stopTimeout = 10 * time.Second

// close is the body of Close; see there for the order.
func (n *Node) close() error {
	n.endLife(ErrClosed)
	n.events.add(Event{Type: "stopping", Text: "the node is closing"})
	var errs []error
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.CloseTimeout)
	if n.Err() != nil {
		cancel() // nothing can be given back any more
	}
	if err := n.client.Close(ctx); err != nil && n.Err() == nil {
		errs = append(errs, fmt.Errorf("give back what the node holds: %w", err))
	}
	cancel()
	n.cancel()
	if err := n.stopMember(); err != nil && n.Err() == nil {
		errs = append(errs, err)
	}
	n.loop.Wait()
	n.end(nil)
	n.events.add(Event{Type: "stopped", Text: "the node has stopped"})
	n.events.close()
	n.release(len(errs) == 0 && n.err == nil)
	return errors.Join(errs...)
}

// stopMember ends what brings the node into a cluster, the member, and then
// what others reach it by.
func (n *Node) stopMember() error {
	var errs []error
	if n.fellows != nil && n.fellows.driver != nil {
		n.fellows.driver.Close() // or it would start the member again
	}
	if err := n.host.end((*embed.Member).Stop); err != nil {
		errs = append(errs, err)
	}
	n.host.seat.Close()
	if n.fellows != nil {
		if err := n.fellows.quit(); err != nil {
			errs = append(errs, fmt.Errorf("leave gossip: %w", err))
		}
	}
	return errors.Join(errs...)
}

// kill ends the node as nearly like a killed process as can be done inside one:
// nothing is given back and nobody is told. The hook's gate is shut, so no word
// of what ends here gets out; what is on disk stays as it is, with the list of
// leases that the next start revokes.
func (n *Node) kill() {
	n.closeOnce.Do(func() {
		n.leases.freeze()
		n.endLife(ErrClosed)
		n.cancel()
		if n.fellows != nil {
			n.fellows.driver.Close()
		}
		if err := n.host.end((*embed.Member).Abandon); err != nil {
			n.log.Warn("kill", "err", err)
		}
		n.host.seat.Close() // so that the recipes reach nobody
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // callbacks are not waited for
		n.client.Close(ctx)
		if n.fellows != nil {
			n.fellows.quit()
		}
		n.loop.Wait()
		n.end(nil)
		n.events.close()
		n.release(true)
	})
}
