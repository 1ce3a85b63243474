package member

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/quorate/quorate/cluster-test/bench/figure"
	"github.com/quorate/quorate/embed"
)

// reads compares a linearizable read in process with one over gRPC and TLS on the
// same member, in turns; the remote client is one warm connection.
func reads(ctx context.Context, dir string) ([]figure.Row, error) {
	const samples, warm = 6000, 500
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	certFile, keyFile, pool, err := certificate(dir)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	u := url.URL{Scheme: "https", Host: fmt.Sprintf("127.0.0.1:%d", port)}
	m, err := startMember(ctx, dir, func(c *embed.EtcdConfig) {
		c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{u}, []url.URL{u}
		c.ClientTLSInfo.CertFile, c.ClientTLSInfo.KeyFile = certFile, keyFile
	})
	if err != nil {
		return nil, err
	}
	defer stopMember(m)
	remote, err := clientv3.New(clientv3.Config{
		Endpoints: []string{u.String()}, TLS: &tls.Config{RootCAs: pool}, Logger: zap.NewNop(), DialTimeout: 10 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	defer remote.Close()

	if _, err := m.Client().Put(ctx, "/read", "v"); err != nil {
		return nil, err
	}
	clients := []*clientv3.Client{m.Client(), remote}
	times := make([][]time.Duration, 2)
	for i := range samples + warm {
		for k, c := range clients {
			start := time.Now()
			if _, err := c.Get(ctx, "/read"); err != nil {
				return nil, err
			}
			if i >= warm {
				times[k] = append(times[k], time.Since(start))
			}
		}
	}
	return []figure.Row{figure.Faster("linearizable read in process, against gRPC over TLS",
		figure.Microseconds(figure.Quantile(times[0], 0.5)),
		figure.Microseconds(figure.Quantile(times[1], 0.5)), "µs", 2.5, "faster p50")}, nil
}

// certificate makes a self-signed P-256 certificate for 127.0.0.1.
func certificate(dir string) (certFile, keyFile string, pool *x509.CertPool, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return "", "", nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	certFile, keyFile = filepath.Join(dir, "bench.crt"), filepath.Join(dir, "bench.key")
	if err := os.WriteFile(certFile, certPEM, 0o600); err != nil {
		return "", "", nil, err
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return "", "", nil, err
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, pool, nil
}
