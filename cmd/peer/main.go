// Peer is a coordination service for the processes of one box, and a command
// line for the nodes inside other programs. All it does is in package command;
// here are only the process's affairs: signals and the exit code.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/quorate/quorate/cmd/peer/command"
)

func main() {
	signals := make(chan os.Signal, 8)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTSTP} {
		if !signal.Ignored(s) { // by nohup, or by a shell for what runs in its background
			signal.Notify(signals, s)
		}
	}
	os.Exit(command.Run(command.WithSignals(context.Background(), signals), command.App(), os.Args))
}
