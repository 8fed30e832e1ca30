package faults_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/rosterhq/roster/client"
	"github.com/rosterhq/roster/internal/servertest"
)

// fault is what a faulty proxy does to a request in place of passing on the
// answer.
type fault struct {
	share   float64 // of all requests
	happens bool    // the service does what is asked
	status  int     // answered in place of the service's; 0: the connection breaks
	halfway bool    // half of the service's answer, then a half-close
	headers map[string]string
}

var faults = map[string]fault{
	"503, nothing done":    {status: 503, share: 0.03},
	"503, done":            {status: 503, happens: true, share: 0.04},
	"429, nothing done":    {status: 429, headers: map[string]string{"Retry-After": "0"}, share: 0.03},
	"429, done":            {status: 429, happens: true, headers: map[string]string{"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, share: 0.04},
	"502, done":            {status: 502, happens: true, share: 0.03},
	"504, done":            {status: 504, happens: true, share: 0.03},
	"broken, nothing done": {share: 0.03},
	"broken, done":         {happens: true, share: 0.04},
	"broken halfway, done": {happens: true, halfway: true, share: 0.04},
}

// faulty is a proxy before a service that commits faults, and counts them.
type faulty struct {
	upstream  string
	faults    map[string]fault
	stripKeys bool // requests lose their Idempotency-Key

	mu    sync.Mutex
	count map[string]int
}

func (p *faulty) pick() fault {
	at := rand.Float64()
	for _, name := range slices.Sorted(maps.Keys(p.faults)) {
		if at -= p.faults[name].share; at < 0 {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.count[name]++
			return p.faults[name]
		}
	}
	return fault{happens: true, status: http.StatusOK}
}

func (p *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := p.pick()
	var status int
	var header http.Header
	var body []byte
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the caller is gone
	}
	if f.happens {
		req := r.Clone(r.Context())
		req.RequestURI, req.Body = "", io.NopCloser(bytes.NewReader(sent))
		req.URL.Scheme, req.URL.Host = "http", strings.TrimPrefix(p.upstream, "http://")
		if p.stripKeys {
			req.Header.Del("Idempotency-Key")
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		if body, err = io.ReadAll(resp.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
		status, header = resp.StatusCode, resp.Header
	}
	switch {
	case f.halfway:
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 %d Fine\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body[:len(body)/2])
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn) // until the caller closes, too
	case f.status == 0:
		panic(http.ErrAbortHandler)
	case f.status != http.StatusOK:
		for name, value := range f.headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(f.status)
	default:
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

// toxic puts a proxy before address that delays, cuts, resets and swallows
// what passes through its connections, and returns its own address.
func toxic(t *testing.T, address string) string {
	t.Helper()
	log := zerolog.Nop()
	p := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), log), t.Name(), "127.0.0.1:0", address)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	for _, kind := range []string{
		`{"type":"latency","toxicity":0.5,"attributes":{"latency":1,"jitter":2}}`,
		`{"type":"limit_data","toxicity":0.5,"attributes":{"bytes":30000}}`,
		`{"type":"limit_data","stream":"upstream","toxicity":0.3,"attributes":{"bytes":5000}}`,
		`{"type":"reset_peer","toxicity":0.05}`,
		`{"type":"timeout","toxicity":0.01}`,
	} {
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(kind)); err != nil {
			t.Fatal(err)
		}
	}
	return p.Listen
}

// createThroughFaults registers n clients, each under a name of its own, from
// many goroutines. It returns the ids of those that it was told of, by name,
// and how many of each name the database has.
func createThroughFaults(t *testing.T, n int, p *faulty, config client.Config, header http.Header) (told map[string]string, there map[string][]string) {
	t.Helper()
	s := servertest.New(t)
	p.upstream, p.count = s.URL, map[string]int{}
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	config.Token, config.HTTPClient, config.Timeout = s.Admin, &http.Client{Transport: transport}, 5*time.Second
	api, err := client.New("http://"+toxic(t, front.Listener.Addr().String()), config)
	if err != nil {
		t.Fatal(err)
	}

	told, there = map[string]string{}, map[string][]string{}
	names := make(chan string)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for name := range names {
				var created client.OAuthClient
				_, err := api.Do(t.Context(), client.Request{Method: http.MethodPost, Path: "/api/v2/clients", Body: client.ClientInput{Name: name}, Header: header}, &created)
				if err != nil {
					if _, ok := errors.AsType[*client.Error](err); ok || !strings.Contains(err.Error(), "/api/v2/clients") {
						t.Logf("%s: %v", name, err)
					}
					continue
				}
				mu.Lock()
				told[name] = created.ID
				mu.Unlock()
			}
		})
	}
	for i := range n {
		names <- fmt.Sprintf("fault-%04d", i)
	}
	close(names)
	workers.Wait()

	rows, err := s.Pool.Query(t.Context(), "SELECT name, client_id FROM clients WHERE name LIKE 'fault-%'")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name, id string
		if err := rows.Scan(&name, &id); err != nil {
			t.Fatal(err)
		}
		there[name] = append(there[name], id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d told, %d names there, faults: %v", len(told), n, len(there), p.count)
	return told, there
}

func duplicates(there map[string][]string) (names int) {
	for _, ids := range there {
		if len(ids) > 1 {
			names++
		}
	}
	return names
}

func TestFaultsNeverDuplicateClients(t *testing.T) {
	t.Parallel()
	const n = 500
	p := &faulty{faults: faults}
	told, there := createThroughFaults(t, n, p, client.Config{Attempts: 20, Backoff: 5 * time.Millisecond}, nil)
	if got := duplicates(there); got != 0 {
		t.Errorf("%d names exist more than once", got)
	}
	for name, id := range told {
		if !slices.Equal(there[name], []string{id}) {
			t.Errorf("%s was told to have id %s, and the database has %v", name, id, there[name])
		}
	}
	if len(told) != n {
		t.Errorf("%d clients were not created", n-len(told))
	}
	for name := range faults {
		if p.count[name] == 0 {
			t.Errorf("the fault %q never happened: this tests nothing", name)
		}
	}
}

// TestFaultsWouldDuplicateClients shows that the faults are such that a client
// which repeated POSTs without a key would register clients twice.
func TestFaultsWouldDuplicateClients(t *testing.T) {
	t.Parallel()
	p := &faulty{faults: faults, stripKeys: true}
	_, there := createThroughFaults(t, 200, p, client.Config{Attempts: 20, Backoff: 5 * time.Millisecond}, nil)
	if duplicates(there) == 0 {
		t.Error("none exists twice")
	}
}

// TestPostWithoutKeyIsNotRepeatedOnceItMayHaveHappened even if that fails it.
func TestPostWithoutKeyIsNotRepeatedOnceItMayHaveHappened(t *testing.T) {
	t.Parallel()
	honest := maps.Clone(faults)
	delete(honest, "429, done") // 429 says that nothing was done
	p := &faulty{faults: honest}
	told, there := createThroughFaults(t, 200, p, client.Config{Attempts: 20, Backoff: 5 * time.Millisecond}, http.Header{"Idempotency-Key": nil})
	if got := duplicates(there); got != 0 {
		t.Errorf("%d names exist more than once", got)
	}
	if len(told) == 200 {
		t.Error("none failed: this tests nothing")
	}
}
