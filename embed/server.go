package embed

import "go.etcd.io/etcd/server/v3/etcdserver"

// Server is etcd's own server, for what this package does not offer: an escape
// hatch like Config.EtcdConfig, with nothing promised about a member whose
// server was meddled with. Stopping it is Stop's business.
func (m *Member) Server() *etcdserver.EtcdServer { return m.srv }
