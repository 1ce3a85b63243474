package command

import (
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A change is one event of kv watch, for programs.
type change struct {
	Type string `json:"type"` // put or delete
	entry
}

func runKVWatch(c *call) error {
	key, all := c.arg(0), len(c.line.operands) == 0
	prefix := c.flags.Bool("prefix") || all
	if key == "" && !prefix {
		return c.usage("KEY is empty", "leave it away to watch all keys")
	}
	client, done, err := c.dial(c.ctx)
	if err != nil {
		return err
	}
	defer done()

	opts := []clientv3.OpOption{clientv3.WithCreatedNotify()}
	name := quote(key)
	switch {
	case all || key == "":
		name = "all keys"
		opts = append(opts, clientv3.WithPrefix())
	case prefix:
		name = "keys that begin with " + name
		opts = append(opts, clientv3.WithPrefix())
	}
	for resp := range client.Etcd().Watch(clientv3.WithRequireLeader(c.ctx), key, opts...) {
		if err := resp.Err(); err != nil {
			return c.watchEnded(name, err)
		}
		if resp.Created {
			c.note("watching %s from revision %d on", name, resp.Header.Revision+1)
		}
		for _, ev := range resp.Events {
			if err := c.printChange(ev); err != nil {
				return err
			}
		}
	}
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	return c.watchEnded(name, errWatch)
}

func (c *call) watchEnded(name string, err error) error {
	return failure(codeError, "watch "+name+": changes may be missed from here on", err.Error(),
		"see "+c.self("status")+", read the keys again, and start the watch anew")
}

func (c *call) printChange(ev *clientv3.Event) error {
	ch := change{"put", entryOf(ev.Kv)}
	if ev.Type == clientv3.EventTypeDelete {
		ch.Type, ch.Value, ch.ValueBase64 = "delete", nil, ""
	}
	if c.format() == "json" {
		return c.jsonLine(ch)
	}
	line := fmt.Sprintf("%-6s %s", ch.Type, plain(string(ev.Kv.Key)))
	if ch.Type == "put" {
		line += " " + plain(string(ev.Kv.Value))
	}
	return c.printf("%s\n", line)
}
