package bootstrap

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// RPCFormat is the version of the cluster RPC that this build speaks. It
// understands whoever says that readers of this version do.
const RPCFormat = 1

const (
	rpcPath    = "/v1/answer"
	rpcBody    = 64 << 10 // bytes of a request or an answer
	rpcHeader  = 8 << 10
	rpcConns   = 128 // connections at a time
	rpcPerHost = 32  // of them from one address, so that one stranger cannot take all
	rpcWait    = 5 * time.Second
	rpcIdle    = time.Minute
	nonceMax   = 64
)

// A Caller is who asks, as it says itself. It is a hint: whoever wants to know
// asks back.
type Caller struct {
	ID   string         `json:"id"`
	Boot string         `json:"boot"`
	RPC  netip.AddrPort `json:"rpc"`  // where it answers
	News uint64         `json:"news"` // counts what it has to tell; another number is worth a question
}

// request and response are the JSON of the cluster RPC. Each side tells its
// format and the oldest one whose readers understand it. Unknown fields are
// ignored.
type request struct {
	Format  int    `json:"format"`
	Since   int    `json:"since"`
	Cluster string `json:"cluster"`
	Nonce   string `json:"nonce"`
	From    Caller `json:"from"`
}

type response struct {
	Format  int             `json:"format"`
	Since   int             `json:"since"`
	Cluster string          `json:"cluster"`
	Nonce   string          `json:"nonce"`
	Answer  json.RawMessage `json:"answer,omitempty"` // none if Cluster or Since stands against it
}

// RPCConfig is what [ServeRPC] needs.
type RPCConfig struct {
	Listener net.Listener // of [Bind]; closed with the RPC, also when it does not start
	// TLS must demand and verify client certificates of the cluster's voters;
	// what it lets through is believed. Renewal is by GetCertificate;
	// GetConfigForClient, which could demand less, is refused.
	TLS     *tls.Config
	Cluster string
	Answer  func() Answer   // what this node attests now; must not block
	Asked   func(by Caller) // told of every question by a node of this cluster; must not block; may be nil
	Logger  *slog.Logger    // discards if nil
	Gate    *Gate           // for tests
}

// RPC answers the questions of other nodes.
type RPC struct {
	cfg   RPCConfig
	l     *capListener
	srv   *http.Server
	conns sync.WaitGroup
	loop  sync.WaitGroup
	close func()
}

// ServeRPC starts to answer. It refuses a TLS configuration that would let
// strangers in.
func ServeRPC(cfg RPCConfig) (*RPC, error) {
	if cfg.TLS == nil || cfg.TLS.ClientAuth != tls.RequireAndVerifyClientCert || cfg.TLS.ClientCAs == nil || cfg.TLS.GetConfigForClient != nil {
		cfg.Listener.Close()
		return nil, errors.New("serve cluster RPC: the TLS configuration does not demand client certificates of an authority")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &RPC{cfg: cfg}
	r.close = sync.OnceFunc(r.shutdown)
	c := cfg.TLS.Clone()
	c.MinVersion = tls.VersionTLS13
	c.NextProtos = []string{"http/1.1"}
	r.l = newCapListener(cfg.Listener, cfg.Gate)
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+rpcPath, r.answer)
	r.srv = &http.Server{
		Handler: mux, TLSConfig: c,
		ReadHeaderTimeout: rpcWait, // bounds the handshake too
		ReadTimeout:       rpcWait, WriteTimeout: rpcWait, IdleTimeout: rpcIdle,
		MaxHeaderBytes: rpcHeader,
		ErrorLog:       slog.NewLogLogger(cfg.Logger.With("logger", "rpc").Handler(), slog.LevelDebug), // strangers can make it speak at will
		ConnState:      r.connState,
	}
	r.loop.Go(func() {
		if err := r.srv.Serve(tls.NewListener(r.l, c)); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			cfg.Logger.Error("serve cluster RPC", "err", err)
		}
	})
	return r, nil
}

func (r *RPC) connState(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		r.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		r.conns.Done()
	}
}

// Close stops to answer and waits for every goroutine. It may be called again.
func (r *RPC) Close() { r.close() }

func (r *RPC) shutdown() {
	r.l.Close() // first, so that no connection comes in behind the sweep below
	r.loop.Wait()
	r.srv.Close()
	r.conns.Wait()
}

func (r *RPC) answer(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, rpcBody))
	if err != nil {
		http.Error(w, "the request cannot be read", http.StatusBadRequest)
		return
	}
	status, resp, from := respond(body, r.cfg.Cluster, r.cfg.Answer)
	if status == http.StatusOK && r.cfg.Asked != nil {
		r.cfg.Asked(from)
	}
	b, err := json.Marshal(resp)
	if err != nil || len(b) > rpcBody {
		r.cfg.Logger.Error("answer a peer", "err", err, "bytes", len(b))
		http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}

// respond is the server without the network: what to answer to these bytes.
func respond(body []byte, cluster string, answer func() Answer) (status int, resp response, from Caller) {
	resp = response{Format: RPCFormat, Since: RPCFormat, Cluster: cluster}
	q, err := readRequest(body)
	if err != nil {
		return http.StatusBadRequest, resp, Caller{}
	}
	resp.Nonce = q.Nonce
	if q.Since > RPCFormat {
		return http.StatusUpgradeRequired, resp, Caller{}
	}
	if q.Cluster != cluster {
		return http.StatusForbidden, resp, Caller{}
	}
	b, err := json.Marshal(answer())
	if err != nil {
		return http.StatusInternalServerError, resp, Caller{}
	}
	resp.Answer = b
	return http.StatusOK, resp, q.From
}

func readRequest(body []byte) (request, error) {
	var q request
	if err := json.Unmarshal(body, &q); err != nil {
		return request{}, fmt.Errorf("read request: %w", err)
	}
	if q.Format < 1 || q.Since < 1 || q.Since > q.Format || q.Nonce == "" || len(q.Nonce) > nonceMax {
		return request{}, errors.New("read request: no format or nonce of ours")
	}
	if !idPattern.MatchString(q.From.ID) || len(q.From.Boot) > nonceMax || !reachable(q.From.RPC) {
		q.From = Caller{}
	}
	return q, nil
}
