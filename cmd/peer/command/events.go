package command

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/node"
)

func eventsCommand(o Options) *cli.Command {
	return command(&cli.Command{
		Name:  "events",
		Usage: "what happened at the node",
		Description: "Prints the last events that the node remembers, up to 1,024. With -f it goes on\n" +
			"with each event as it happens; --after resumes behind one already seen.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with new events", DisableDefaultText: true},
			&cli.StringFlag{Name: "after", Usage: "start behind the event `ID`"},
			outputFlag("table", "json"), socketFlag(o),
		},
	}, runEvents)
}

func runEvents(c *call) error {
	last := c.flags.String("after")
	opts := node.EventOptions{After: last, Backlog: !c.flags.Bool("follow")}
	for e, err := range c.remote().Events(c.ctx, opts) {
		if errors.Is(err, io.EOF) {
			return failure(codeError, "the node ended the stream", "it stopped, or closes", "when it runs again: "+c.self("events")+" -f --after "+last)
		}
		if err != nil {
			return err
		}
		last = e.ID
		if c.format() == "json" {
			if err := c.jsonLine(e); err != nil {
				return err
			}
			continue
		}
		if err := c.printf("%s\n", eventLine(e)); err != nil {
			return err
		}
	}
	return nil
}

// eventLine is an event for people: local time to the millisecond, and what.
func eventLine(e node.Event) string {
	line := fmt.Sprintf("%s  %-16s  ", e.Time.Local().Format(time.StampMilli), e.Type)
	if e.Name != "" {
		line += plain(e.Name) + ": "
	}
	line += plain(e.Text)
	if e.Fence != 0 {
		line += fmt.Sprintf(" (fence %d)", e.Fence)
	}
	return line
}
