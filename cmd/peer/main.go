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
	wanted := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGTSTP}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		wanted = append(wanted, syscall.SIGHUP)
	}
	signal.Notify(signals, wanted...)
	os.Exit(command.Run(command.WithSignals(context.Background(), signals), command.App(), os.Args))
}
