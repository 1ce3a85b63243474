package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/quorate/quorate/embed"
)

// Gatherer returns etcd's part of the default Prometheus registry, in which
// etcd registers its metrics when it is imported: serve it beside your own.
// All members of one process share these metrics.
func Gatherer() prometheus.Gatherer { return embed.Gatherer() }
