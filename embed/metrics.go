package embed

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// metricPrefixes are the families that importing etcd's server registers in the
// default registry: its own, and those of its gRPC server and its watch over
// file descriptors. Nothing of Go's own collectors, nor of the host, matches.
var metricPrefixes = []string{"etcd_", "grpc_server_", "os_fd_"}

// Gatherer is the default Prometheus registry narrowed to etcd's families, for
// a host that wants to serve them apart from its own. etcd's metrics are global
// to the process: members in one process share them.
//
// Importing etcd registers them. Starting a member makes etcd add the two
// promhttp_metric_handler_ families that any use of promhttp.Handler adds; this
// package itself adds nothing to any registry.
func Gatherer() prometheus.Gatherer {
	return prometheus.GathererFunc(only(etcdFamily, prometheus.DefaultGatherer.Gather))
}

// only narrows a gathering to the families of some names.
func only[F interface{ GetName() string }](keep func(string) bool, gather func() ([]F, error)) func() ([]F, error) {
	return func() ([]F, error) {
		all, err := gather()
		return slices.DeleteFunc(all, func(f F) bool { return !keep(f.GetName()) }), err
	}
}

func etcdFamily(name string) bool {
	return slices.ContainsFunc(metricPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
