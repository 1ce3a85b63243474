package command

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// ownKeys is the prefix of the keys that the recipes keep.
const ownKeys = "/quorate/"

// maxValue is etcd's limit for a request, less some room for the key.
const maxValue = 3<<19 - 4<<10

// pageSize is how many keys ls asks for at once, to stay under the limit of a
// message.
const pageSize = 256

func kvCommand(o Options) *cli.Command {
	ask := func(flags ...cli.Flag) []cli.Flag {
		return append(flags, timeoutFlag("give up after `D`", defaultTimeout), socketFlag(o))
	}
	prefix := func(usage string) cli.Flag {
		return &cli.BoolFlag{Name: "prefix", Usage: usage, DisableDefaultText: true}
	}
	return group(&cli.Command{
		Name:        "kv",
		Usage:       "look at keys, and change your own",
		Description: "Keys under " + ownKeys + " belong to the recipes: they are shown, never changed here.",
	},
		command(&cli.Command{
			Name: "get", Usage: "print the value of a key", ArgsUsage: "KEY",
			Description: "Prints the value and a newline; -o raw leaves the newline away. Ends with 3 if\nthere is no such key.",
			Flags:       ask(outputFlag("text", "raw", "json")),
		}, runKVGet),
		command(&cli.Command{
			Name: "put", Usage: "set a key", ArgsUsage: "KEY VALUE",
			Description: "If VALUE is -, the value is read from stdin, byte for byte.",
			Flags:       ask(),
		}, runKVPut),
		command(&cli.Command{
			Name: "del", Usage: "delete a key", ArgsUsage: "KEY",
			Description: "Prints how many keys were deleted.",
			Flags:       ask(prefix("delete all keys that begin with KEY")),
		}, runKVDel),
		command(&cli.Command{
			Name: "ls", Usage: "list keys", ArgsUsage: "[PREFIX]",
			Description: "Prints one key a line, in order; -o json prints the values too.",
			Flags:       ask(outputFlag("text", "json")),
		}, runKVLs),
		command(&cli.Command{
			Name: "watch", Usage: "print changes as they happen", ArgsUsage: "[KEY]",
			Description: "Watches one key, with --prefix all keys that begin with KEY, without KEY all\nkeys. It starts with the first change after it says so on stderr.",
			Flags:       []cli.Flag{prefix("watch all keys that begin with KEY"), outputFlag("text", "json"), socketFlag(o)},
		}, runKVWatch),
	)
}

func runKVGet(c *call) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	return c.withEtcd("read "+quote(key), func(kv clientv3.KV, ask etcdCall) error {
		resp, err := kv.Get(ask, key)
		if err != nil {
			return err
		}
		if len(resp.Kvs) == 0 {
			return failure(codeFalse, "no key "+quote(key), "", c.self("kv ls")+" lists those there are")
		}
		switch c.format() {
		case "json":
			return c.json(entryOf(resp.Kvs[0]))
		case "raw":
			return c.printf("%s", resp.Kvs[0].Value)
		}
		return c.printf("%s\n", resp.Kvs[0].Value)
	})
}

func runKVPut(c *call) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	if err := c.refuseOwn(key, false); err != nil {
		return err
	}
	value := c.arg(1)
	if value == "-" {
		b, err := io.ReadAll(io.LimitReader(c.app.Reader, maxValue+1))
		if err != nil {
			return fmt.Errorf("read value from stdin: %w", err)
		}
		value = string(b)
	}
	if len(value) > maxValue {
		return failure(codeError, "the value is too large", fmt.Sprintf("it may have %d bytes", maxValue), "keep it in a file, and put its name here")
	}
	return c.withEtcd("write "+quote(key), func(kv clientv3.KV, ask etcdCall) error {
		_, err := kv.Put(ask, key, value)
		return err
	})
}

func runKVDel(c *call) error {
	prefix := c.flags.Bool("prefix")
	key := c.arg(0)
	if !prefix {
		var err error
		if key, err = c.key(); err != nil {
			return err
		}
	}
	if err := c.refuseOwn(key, prefix); err != nil {
		return err
	}
	return c.withEtcd("delete "+quote(key), func(kv clientv3.KV, ask etcdCall) error {
		var opts []clientv3.OpOption
		if prefix {
			opts = append(opts, clientv3.WithPrefix())
		}
		resp, err := kv.Delete(ask, key, opts...)
		if err != nil {
			return err
		}
		return c.printf("%d\n", resp.Deleted)
	})
}

func runKVLs(c *call) error {
	return c.withEtcd("list keys", func(kv clientv3.KV, ask etcdCall) error {
		entries := []entry{}
		for kvs, err := range pages(ask, kv, c.arg(0), c.format() != "json") {
			if err != nil {
				return err
			}
			for _, e := range kvs {
				if c.format() == "json" {
					entries = append(entries, entryOf(e))
				} else if err := c.printf("%s\n", plain(string(e.Key))); err != nil {
					return err
				}
			}
		}
		if c.format() == "json" {
			return c.json(entries)
		}
		return nil
	})
}

// key is the first argument.
func (c *call) key() (string, error) {
	if c.arg(0) == "" {
		return "", c.usage("KEY is empty", "")
	}
	return c.arg(0), nil
}

// refuseOwn refuses changes to keys of the recipes, also by a prefix that
// contains some of them.
func (c *call) refuseOwn(key string, prefix bool) error {
	switch {
	case strings.HasPrefix(key, ownKeys):
		return failure(codeError, "keys under "+ownKeys+" are not changed here",
			"the recipes keep their locks in them; a lock whose key is changed by hand is held twice", "end the holder instead, or use another key")
	case prefix && strings.HasPrefix(ownKeys, key):
		return failure(codeError, "the prefix "+quote(key)+" contains the keys under "+ownKeys,
			"the recipes keep their locks in them", "name a longer prefix")
	}
	return nil
}

// An entry is a key with its value, for programs. What is not text is base64,
// under a name that says so.
type entry struct {
	Key         string `json:"key,omitempty"`
	KeyBase64   string `json:"key_base64,omitempty"`
	Value       any    `json:"value,omitempty"` // a string; an empty one is there, a deleted one is not
	ValueBase64 string `json:"value_base64,omitempty"`
	Created     int64  `json:"create_revision"`
	Modified    int64  `json:"mod_revision"`
	Version     int64  `json:"version"`
	Lease       string `json:"lease,omitempty"`
}

func entryOf(kv *mvccpb.KeyValue) entry {
	e := entry{Created: kv.CreateRevision, Modified: kv.ModRevision, Version: kv.Version}
	if utf8.Valid(kv.Key) {
		e.Key = string(kv.Key)
	} else {
		e.KeyBase64 = base64.StdEncoding.EncodeToString(kv.Key)
	}
	if utf8.Valid(kv.Value) {
		e.Value = string(kv.Value)
	} else {
		e.ValueBase64 = base64.StdEncoding.EncodeToString(kv.Value)
	}
	if kv.Lease != 0 {
		e.Lease = fmt.Sprintf("%x", kv.Lease)
	}
	return e
}

var errWatch = errors.New("the watch ended")
