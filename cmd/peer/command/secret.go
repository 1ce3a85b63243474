package command

import (
	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/internal/pki"
)

func secretCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "secret",
		Usage: "the one secret that the members of a cluster share",
	}, command(&cli.Command{
		Name:  "new",
		Usage: "print a new secret",
		Description: "It has 256 bits from the system's random source, a prefix and a checksum.\n" +
			"Who has it can join the cluster, so keep it in a file of mode 0600: run umask 077\n" +
			"before you redirect it into one.",
	}, func(c *call) error {
		return c.printf("%s\n", pki.NewSecret().Text())
	}))
}
