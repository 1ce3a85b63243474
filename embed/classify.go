package embed

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// classify turns etcd's last word into our error.
func classify(msg string, cause error) error {
	why := msg
	if cause != nil {
		why += ": " + cause.Error()
	}
	switch {
	case isNoSpace(cause):
		return refuseCause(ErrNoSpace, cause, "disk-full", "the member died because the disk is full", why,
			"free space on the disk of the data directory, then restart the process")
	case strings.Contains(msg, "WAL") && !errors.Is(cause, syscall.EACCES),
		strings.Contains(msg, "failed to open database"),
		strings.Contains(msg, "recover v3 backend from snapshot"),
		strings.Contains(msg, "unmarshal"),
		strings.Contains(msg, "out of range"): // raft: tocommit(n) is out of range: the log lost entries
		return damaged(why, cause)
	case strings.Contains(msg, "invalid downgrade"):
		return newerVersion(why, cause)
	}
	return refuseCause(ErrFatal, cause, "member-died", "the member died", why,
		"restart the process; if it happens again, keep the data directory and the log and report it")
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func damaged(why string, cause error) error {
	return refuseCause(ErrDamaged, cause, "data-damaged", "the member's data is damaged", why,
		"check the disk (dmesg, smartctl -a); move the data directory aside and restore a snapshot, or let this node join anew")
}

func newerVersion(why string, cause error) error {
	return refuseCause(ErrVersion, cause, "data-newer", "the data was written by a newer version", why,
		"install that version again, or restore a snapshot made with this one")
}

// classifyStart turns what etcd returned from its start into our error.
func classifyStart(err error, c Config) error {
	msg := err.Error()
	var listen *net.OpError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return refuseCause(ErrPortInUse, err, "port-in-use", fmt.Sprintf("the address of %s is in use", c.PeerURL), msg,
			"stop what listens there (see: ss -lptn), or choose another port")
	case errors.As(err, &listen) && listen.Op == "listen":
		return refuseCause(ErrConfig, err, "listen-refused", fmt.Sprintf("the address of %s cannot be listened on", c.PeerURL), msg,
			"use an address of this machine (see: ip addr) and a port above 1023")
	case isNoSpace(err):
		return refuseCause(ErrNoSpace, err, "disk-full", "the member cannot start because the disk is full", msg,
			"free space on the disk of "+c.Dir+", then start again")
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EROFS):
		return notWritable(c.Dir, err)
	case strings.Contains(msg, "version") && strings.Contains(msg, "is not supported"):
		return newerVersion(msg, err)
	case strings.Contains(msg, "database file"), strings.Contains(msg, "wal: "), strings.Contains(msg, "snap: "):
		return damaged(msg, err)
	}
	return refuseCause(ErrConfig, err, "start-refused", "etcd refused to start the member", msg, "correct the configuration and start again")
}

func notWritable(dir string, err error) error {
	return refuseCause(ErrDir, err, "dir-not-writable", fmt.Sprintf("the directory %s cannot be used", dir), err.Error(),
		fmt.Sprintf("make it writable for this user: chown -R $(id -un) %s && chmod 0700 %s", dir, dir))
}
