package command

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/quorate/quorate/internal/pki"
	"github.com/quorate/quorate/node"
)

// Where peer run looks for what it is not told otherwise.
const (
	defaultConfig  = "/etc/peer/peer.yaml"
	defaultSecret  = "/etc/peer/cluster.secret"
	defaultDataDir = "/var/lib/peer"
	credential     = "cluster.secret" // its name in systemd's LoadCredential
)

// settings is a daemon's configuration while it is read.
type settings struct {
	node.Config
	secretFile string
	base       string            // the configuration file, or "" if there is none
	origins    map[string]string // of the keys that somebody has set, by path
}

// A key is one thing that can be configured. The table below is all that is
// known about it: the file, the environment, the flags, peer config and the
// example file follow from it.
type key struct {
	path     string // in the file, which nests at the dot: "timing.tick"
	takes    string // what stands for the value in the help
	usage    string // one line
	sample   string // a value, as the file has it
	fallback string // what peer run takes if it is not set; the node knows the others
	at       func(*settings) any
}

var keys = []key{
	{"name", "NAME", "what people call this node; if not set, the host name", "gw-a", "", func(s *settings) any { return &s.Name }},
	{"cluster", "NAME", "the cluster's name, the same on all its nodes", "acme", "", func(s *settings) any { return &s.Cluster }},
	{"join", "IP,…", "the addresses of all nodes that form the cluster, the same list on all of them", "[10.0.0.1, 10.0.0.2, 10.0.0.3]", "", func(s *settings) any { return &s.Join }},
	{"voters", "N", "how many nodes form the cluster; if not set, all of join", "3", "", func(s *settings) any { return &s.Voters }},
	{"secret_file", "FILE", "the secret, made by peer secret new; if not set, systemd's credential, else " + defaultSecret, defaultSecret, "", func(s *settings) any { return &s.secretFile }},
	{"data_dir", "DIR", "the directory of what this node keeps", defaultDataDir, defaultDataDir, func(s *settings) any { return &s.DataDir }},
	{"wal_dir", "DIR", "a directory for etcd's write-ahead log alone, on a faster disk; fixed with the first start", "/srv/fast/peer", "", func(s *settings) any { return &s.WALDir }},
	{"listen", "IP", "listen on this address alone", "10.0.0.1", "", func(s *settings) any { return &s.Listen }},
	{"advertise", "IP", "the address under which the others reach this node, if it is not found", "10.0.0.1", "", func(s *settings) any { return &s.Advertise }},
	{"base_port", "PORT", "gossip is on this port (TCP and UDP), cluster RPC and raft on the next two (TCP)", "4780", "4780", func(s *settings) any { return &s.BasePort }},
	{"ports.gossip", "PORT", "each port by itself, instead of base_port; 0 is a free one, chosen once", "4780", "", func(s *settings) any { return &s.ports().Gossip }},
	{"ports.rpc", "PORT", "likewise, of the cluster RPC", "4781", "", func(s *settings) any { return &s.ports().RPC }},
	{"ports.raft", "PORT", "likewise, of raft", "4782", "", func(s *settings) any { return &s.ports().Raft }},
	{"socket", "PATH", "the control socket, in a directory of its own", DefaultSocket, DefaultSocket, func(s *settings) any { return &s.Socket }},
	{"socket_group", "GROUP", "a group whose members may use the socket", "peer", "", func(s *settings) any { return &s.SocketGroup }},
	{"ttl", "D", "how long locks outlive a dead process, at least 2s", "10s", "", func(s *settings) any { return &s.TTL }},
	{"timing.tick", "D", "raft's heartbeat, the same on all nodes", "100ms", "", func(s *settings) any { return &s.Timing.Tick }},
	{"timing.election", "D", "the silence after which an election is called, the same on all nodes", "1s", "", func(s *settings) any { return &s.Timing.Election }},
	{"cert_lifetime", "D", "the life of derived certificates, for those who must limit it", "2160h", "", func(s *settings) any { return &s.CertLifetime }},
	{"tls.ca_file", "FILE", "certificates of your own in place of derived ones: the CA", "/etc/peer/ca.pem", "", func(s *settings) any { return &s.TLS.CAFile }},
	{"tls.cert_file", "FILE", "likewise, this member's certificate", "/etc/peer/peer.pem", "", func(s *settings) any { return &s.TLS.CertFile }},
	{"tls.key_file", "FILE", "likewise, its key, in a file of mode 0600", "/etc/peer/peer.key", "", func(s *settings) any { return &s.TLS.KeyFile }},
	{"tls.client_cert_file", "FILE", "likewise, its client certificate; if not set, cert_file", "/etc/peer/client.pem", "", func(s *settings) any { return &s.TLS.ClientCertFile }},
	{"tls.client_key_file", "FILE", "likewise, the key of that", "/etc/peer/client.key", "", func(s *settings) any { return &s.TLS.ClientKeyFile }},
	{"tls.server_name", "NAME", "the DNS name in every member's certificate", "peer.acme.example", "", func(s *settings) any { return &s.TLS.ServerName }},
	{"tls.allowed_cns", "CN,…", "the common names that members' certificates may have", "[peer]", "", func(s *settings) any { return &s.TLS.AllowedCNs }},
}

// notKeys are keys that people look for in vain.
var notKeys = map[string]string{
	"join_only": "it comes with joins, which this build does not have",
	"secret":    "a secret does not belong here; secret_file names the file that holds it",
}

func (s *settings) ports() *node.Ports {
	if s.Ports == nil {
		s.Ports = &node.Ports{}
	}
	return s.Ports
}

func (k key) env() string   { return envPrefix + strings.ToUpper(strings.ReplaceAll(k.path, ".", "_")) }
func (k key) flag() string  { return strings.NewReplacer(".", "-", "_", "-").Replace(k.path) }
func (k key) isList() bool  { _, ok := k.at(&settings{}).(*[]string); return ok }
func (k key) group() string { g, _, _ := strings.Cut(k.path, "."); return g }

// set gives the key a value that origin tells of: of one text, or of a list of
// them.
func (k key) set(s *settings, origin string, texts []string) error {
	s.origins[k.path] = origin
	var err error
	text := strings.Join(texts, ",")
	switch to := k.at(s).(type) {
	case *string:
		*to = text
	case *[]string:
		*to = texts
	case *int:
		if *to, err = strconv.Atoi(text); err != nil {
			return k.fault(origin, "is "+shown(text), "it takes a whole number")
		}
	case *time.Duration:
		if *to, err = time.ParseDuration(text); err != nil {
			return k.fault(origin, "is "+shown(text), "it takes a number and a unit: ms, s, m, h")
		}
	}
	if k.path == "secret_file" && looksSecret(text) {
		return k.fault(origin, "holds a secret", "it takes the path of a file that holds it, so that nobody sees it here")
	}
	return nil
}

func (k key) fault(origin, what, why string) error {
	return mend(fmt.Sprintf("%s: %s %s", origin, k.path, what), why, "write it as in "+k.path+": "+k.sample)
}

// get is the value as the file would have it, or "" if there is none.
func (k key) get(s settings) string {
	if k.group() == "ports" && s.Ports == nil {
		return ""
	}
	isSet := s.origins[k.path] != ""
	switch v := k.at(&s).(type) {
	case *string:
		if *v != "" || isSet {
			return scalar(*v)
		}
	case *[]string:
		if len(*v) > 0 || isSet {
			items := make([]string, len(*v))
			for i, item := range *v {
				items[i] = scalar(item)
			}
			return "[" + strings.Join(items, ", ") + "]"
		}
	case *int:
		if *v != 0 || isSet {
			return strconv.Itoa(*v)
		}
	case *time.Duration:
		if *v != 0 || isSet {
			return v.String()
		}
	}
	return ""
}

// scalar is the text for YAML: bare if it can mean nothing else there.
func scalar(text string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-"
	bare := text != "" && strings.Trim(text, safe) == "" && text[0] != '-'
	var v any
	if bare && yaml.Unmarshal([]byte(text), &v) == nil && v == any(text) {
		return text
	}
	return quote(text)
}

// mend is an error of the configuration.
func mend(what, why, do string) error { return failure(codeMend, what, why, do) }

// shown quotes a text that came from outside, unless it may be a secret.
func shown(text string) string {
	if looksSecret(text) {
		return "(a secret)"
	}
	return quote(text)
}

func looksSecret(text string) bool {
	_, err := pki.ParseSecret(text)
	return err == nil || strings.HasPrefix(strings.ToLower(strings.TrimSpace(text)), "quorate1-")
}
