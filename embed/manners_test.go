package embed_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// A process that starts a member keeps its own signals, loggers, handlers and
// metrics. The child looks at them before, while a member runs, and after, and
// then kills itself by a signal that nobody may catch for it.
func TestHostManners(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=manners", dirEnv+"="+shortDir(t))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, tail(errs.String()))
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
		t.Errorf("ended by %v, want SIGTERM: somebody caught it", exit)
	}
	if got := out.String(); got != "polite\n" {
		t.Errorf("%s%s", got, tail(errs.String()))
	}
}

// ignored is which signals the process does not take.
func ignored() [3]bool {
	return [3]bool{signal.Ignored(syscall.SIGTERM), signal.Ignored(syscall.SIGINT), signal.Ignored(syscall.SIGHUP)}
}

func manners(dir string) {
	var logged bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil))) // which sets log's output too
	log.SetOutput(&logged)
	stdLog, defaultSlog := log.Default(), slog.Default()
	before, deaf := hostState(), ignored() // the host may run under nohup

	c := config(dir)
	c.Socket = dir + "/s"
	m := begin(c).write(10)
	during := hostState()
	must(m.stop())

	var rude []string
	for _, s := range []string{during, hostState()} {
		if s != before {
			rude = append(rude, "host changed:\n"+before+s)
		}
	}
	if logged.Len() > 0 || log.Default() != stdLog || slog.Default() != defaultSlog || log.Writer() != &logged {
		rude = append(rude, "the default loggers were used or replaced: "+logged.String())
	}
	if ignored() != deaf {
		rude = append(rude, "a signal is ignored")
	}
	if len(rude) > 0 {
		fmt.Println(strings.Join(rude, "\n"))
	} else {
		fmt.Println("polite")
	}
	must(syscall.Kill(os.Getpid(), syscall.SIGTERM))
	select {}
}

// hostState is what of the host's a member could have changed.
func hostState() string {
	var b strings.Builder
	for _, path := range []string{"/", "/metrics", "/health", "/livez", "/readyz", "/version", "/v3/kv/put", "/debug/pprof/", "/debug/vars", "/debug/requests"} {
		_, pattern := http.DefaultServeMux.Handler(httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Fprintf(&b, "%s=%s ", path, pattern)
	}
	all, err := prometheus.DefaultGatherer.Gather()
	must(err)
	var names []string
	for _, f := range all {
		// Families without a sample are not gathered, so etcd's come and go; and
		// any use of promhttp.Handler, as by etcd's listener, registers its two.
		if n := f.GetName(); !strings.HasPrefix(n, "etcd_") && !strings.HasPrefix(n, "grpc_server_") && !strings.HasPrefix(n, "promhttp_metric_handler_") {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	fmt.Fprintf(&b, "%v %p\n", names, http.DefaultTransport)
	return b.String()
}
