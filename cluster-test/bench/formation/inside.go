package formation

import (
	"path/filepath"

	"github.com/quorate/quorate/node"
)

// An insideNode is what a child of the bench needs to know to have a node of a
// trio inside, with the same files as its process would have.
type insideNode struct {
	Name, Secret, Dir string
	Join              []string
	Base              int
}

func (b *box) inside() insideNode {
	return insideNode{Name: b.name, Secret: b.secret, Dir: b.dir, Join: b.join, Base: int(b.addr.Port())}
}

func (n insideNode) config() node.Config {
	return node.Config{
		Name: n.Name, Cluster: clusterName, Join: n.Join, Secret: node.SecretFile(n.Secret), BasePort: n.Base,
		DataDir: filepath.Join(n.Dir, "data"), Socket: filepath.Join(n.Dir, "peer.sock"),
	}
}
