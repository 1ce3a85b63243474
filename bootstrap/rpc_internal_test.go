package bootstrap

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"testing"
)

// FuzzRPC feeds both sides of the cluster RPC with what the other may send.
func FuzzRPC(f *testing.F) {
	own := Begin(NewState(), NewBoot(), DataNone)
	at := netip.MustParseAddrPort("127.0.0.1:1")
	answer := Attest(own, Own{Cluster: "acme", Voters: 3, Join: []string{"127.0.0.1:1"}, Advertise: Founder{ID: own.ID, Gossip: at, RPC: at, PeerURL: "https://127.0.0.1:3"}})
	text, err := json.Marshal(answer)
	if err != nil {
		f.Fatal(err)
	}
	question, err := json.Marshal(request{RPCFormat, RPCFormat, "acme", "n", Caller{own.ID, own.Boot, at, 7}})
	if err != nil {
		f.Fatal(err)
	}
	good, err := json.Marshal(response{RPCFormat, RPCFormat, "acme", "n", text})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{string(question), string(good), "", "{}", "null", `{"format":1e400}`, `{"format":1,"since":1,"cluster":"acme","nonce":"n","answer":null}`, `{"format":1,"since":1,"cluster":"acme","nonce":"n","from":{"id":"00c0ffee12345678","rpc":"[fe80::1%x]:1"}}`} {
		f.Add(200, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, b []byte) {
		code, resp, from := respond(b, "acme", func() Answer { return answer })
		if (code == http.StatusOK) != (resp.Answer != nil) {
			t.Errorf("status %d with answer %s", code, resp.Answer)
		}
		if from.ID != "" && (!idPattern.MatchString(from.ID) || !reachable(from.RPC)) {
			t.Errorf("caller = %+v", from)
		}
		a, err := readResponse(status, b, "acme", "n")
		switch {
		case err != nil:
			if !errors.Is(err, ErrStranger) && !errors.Is(err, ErrVersion) {
				t.Errorf("untyped error %v", err)
			}
		case status != http.StatusOK || !idPattern.MatchString(a.ID):
			t.Errorf("status %d is answered by %+v", status, a)
		}
	})
}

// TestRPCRoundTrip reads what the server writes, and nothing else's.
func TestRPCRoundTrip(t *testing.T) {
	own := Begin(NewState(), NewBoot(), DataNone)
	at := netip.MustParseAddrPort("127.0.0.1:1")
	q, err := json.Marshal(request{RPCFormat, RPCFormat, "acme", "n1", Caller{own.ID, own.Boot, at, 7}})
	if err != nil {
		t.Fatal(err)
	}
	code, resp, from := respond(q, "acme", func() Answer {
		return Attest(own, Own{Cluster: "acme", Voters: 3, Advertise: Founder{ID: own.ID, Gossip: at, RPC: at, PeerURL: "https://127.0.0.1:3"}})
	})
	if code != http.StatusOK || from != (Caller{own.ID, own.Boot, at, 7}) {
		t.Fatalf("status %d, from %+v", code, from)
	}
	b, err := json.Marshal(resp)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := readResponse(code, b, "acme", "n1"); err != nil || a.ID != own.ID {
		t.Errorf("answer %+v, %v", a, err)
	}
	if _, err := readResponse(code, b, "acme", "n2"); !errors.Is(err, ErrStranger) {
		t.Errorf("another question's answer: %v", err)
	}
	if _, err := readResponse(code, b, "emca", "n1"); !errors.Is(err, ErrStranger) {
		t.Errorf("another cluster's answer: %v", err)
	}
}
