package pki_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/internal/pki"
)

var update = flag.Bool("update", false, "write testdata anew; doing so breaks every installation's agreement")

// The answers, except ca, were computed from the definitions in DESIGN.md with
// Python's hmac and the openssl command, not with this package; openssl also
// verified the certificates in testdata.
var known = []struct {
	file, text, cluster, print               string
	gossip, formation, seed, serial, pub, id string
	ca                                       string
}{
	{
		file: "ca-acme.pem", text: counting, cluster: "acme", print: "pki.Secret(7bcada3e)",
		gossip:    "3c42f9fee459bf09b248ef737a921784f60d904e35b0fc3f142f662bbcdfcb19",
		formation: "f15cb645490b4e59aa14f6e3d4b10c556884b4dd07ca506a404cb76b12c63526",
		seed:      "8bee6cdd121ab5bf6339f94694a62ba589c908cf78841d946760a7db8b9a1a93",
		serial:    "58614763b95cf6799665f65aba9d0f79", // 98 with its upper bits set to 01
		pub:       "561de55a1bf4303095833710668fc39df8b0f127250d50a64f2512903a6b884a",
		id:        "5e75d25b1896e00727e42dee3a0a22d490f98a6b",
		ca:        "43360f5eab0eea1c5b84bab92d97d1b788ca096d5ce14fc98f32c2cd50c621a9",
	},
	{
		file: "ca-long.pem", text: "quorate1-777777777777777777777777777777777777777777777777777q-mwaxtmmr",
		cluster: strings.Repeat("a", 63), print: "pki.Secret(774a1ef0)",
		gossip:    "5eb38e77247de16ce14a9d3d8aac6a9f3b62c341dd07b64e000a2d02112ea0ab",
		formation: "8ee7a37650c34e194f010b933cf0bfe490a5d61211dba813af44b0a573fb1f69",
		seed:      "03572a8cd51270d636c84d70059feef744e7a689fd8efb6f65b378ece6a0f951",
		serial:    "74895e172bcac6cee2fc0c71c8edafec",
		pub:       "abcf02ebd73487038d431df1bc1749aee656ae77ef78dddd979e9f72dc95085e",
		id:        "e94ab197b1ab12ca4b7de78da505f471fd6bd049",
		ca:        "0b56e7128021fe3edca822dc7ae85998a4ff694c634cd157db8a901390a83b40",
	},
}

func TestKnownAnswers(t *testing.T) {
	for _, want := range known {
		t.Run(want.file, func(t *testing.T) {
			s, err := pki.ParseSecret(want.text)
			if err != nil {
				t.Fatal(err)
			}
			if s.String() != want.print {
				t.Errorf("shows as %s, want %s", s, want.print)
			}
			k := derive(t, want.text, want.cluster)
			same := func(what string, got []byte, want string) {
				t.Helper()
				if hex.EncodeToString(got) != want {
					t.Errorf("%s is %x, want %s", what, got, want)
				}
			}
			gossip, formation, seed := k.GossipKey(), k.FormationKey(), pki.Seed(k)
			same("gossip key", gossip[:], want.gossip)
			same("formation key", formation[:], want.formation)
			same("seed of the CA", seed[:], want.seed)

			file := filepath.Join("testdata", want.file)
			if *update {
				if err := os.WriteFile(file, k.CAPEM(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(k.CAPEM(), golden) {
				t.Errorf("the CA certificate is\n%s, want\n%s", k.CAPEM(), golden)
			}
			block, _ := pem.Decode(k.CAPEM())
			sum := sha256.Sum256(block.Bytes)
			same("SHA-256 of the CA certificate", sum[:], want.ca)
			if k.Fingerprint() != "sha256:"+want.ca {
				t.Errorf("fingerprint %s", k.Fingerprint())
			}
			ca, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			same("serial number", ca.SerialNumber.Bytes(), want.serial)
			same("public key", ca.PublicKey.(ed25519.PublicKey), want.pub)
			same("SubjectKeyId", ca.SubjectKeyId, want.id)
			if got := ca.Subject.String(); got != "CN="+want.cluster+" CA,O=Quorate" {
				t.Errorf("subject %s", got)
			}
			if !ca.NotBefore.Equal(time.Unix(0, 0)) || !ca.NotAfter.Equal(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)) {
				t.Errorf("valid from %s until %s", ca.NotBefore, ca.NotAfter)
			}
			if !ca.IsCA || ca.MaxPathLen != 0 || !ca.MaxPathLenZero || ca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || ca.Version != 3 {
				t.Errorf("CA %t, path length %d, usage %b, version %d", ca.IsCA, ca.MaxPathLen, ca.KeyUsage, ca.Version)
			}
		})
	}
}

// TestKnownAnswersUnderGodebug runs the known answers in processes in which Go
// itself chooses another SubjectKeyId for a CA that has none.
func TestKnownAnswersUnderGodebug(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"0", "1"} {
		t.Run("x509sha256skid="+value, func(t *testing.T) {
			cmd := exec.Command(self, "-test.run=^(TestKnownAnswers|TestGodebugReachesGo)$", "-test.v", "-test.count=1")
			cmd.Env = append(os.Environ(), "GODEBUG=x509sha256skid="+value, "PKI_TEST_SKID="+value)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, passed := range []string{"--- PASS: TestKnownAnswers/ca-acme.pem", "--- PASS: TestKnownAnswers/ca-long.pem", "--- PASS: TestGodebugReachesGo"} {
				if !bytes.Contains(out, []byte(passed)) {
					t.Errorf("no line %q in\n%s", passed, out)
				}
			}
		})
	}
}

// TestGodebugReachesGo shows that the setting takes effect: otherwise the test
// above would prove nothing.
func TestGodebugReachesGo(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(nil, tmpl, tmpl, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	long := sha256.Sum256(pub)
	want := long[:20]
	if os.Getenv("PKI_TEST_SKID") == "0" {
		short := sha1.Sum(pub)
		want = short[:]
	}
	if !bytes.Equal(cert.SubjectKeyId, want) {
		t.Errorf("Go chose the SubjectKeyId %x, want %x", cert.SubjectKeyId, want)
	}
}

func TestDeriveSeparates(t *testing.T) {
	seen := map[[32]byte]string{}
	once := func(what string, key [32]byte) {
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s are the same key", what, other)
		}
		seen[key] = what
	}
	for _, secret := range []string{known[0].text, known[1].text} {
		for _, cluster := range []string{"acme", "acme2", "acm", "a"} {
			k := derive(t, secret, cluster)
			at := secret[9:12] + "/" + cluster + " "
			once(at+"gossip", k.GossipKey())
			once(at+"formation", k.FormationKey())
			once(at+"seed", pki.Seed(k))
		}
	}
}

func TestDeriveRefuses(t *testing.T) {
	_, err := pki.Derive(pki.Secret{}, "acme")
	wantProblem(t, err, "secret-empty", pki.ErrSecret)
	for _, name := range []string{"", "Acme", "acme.com", "a b", "-a", "a-", "ä", strings.Repeat("a", 64), "a/b", "a\n", "*"} {
		_, err := pki.Derive(pki.NewSecret(), name)
		wantProblem(t, err, "cluster-name", pki.ErrCluster)
	}
	for _, name := range []string{"a", "7", "acme-prod", "a--b", strings.Repeat("a", 63)} {
		if err := pki.CheckCluster(name); err != nil {
			t.Error(err)
		}
	}
}
