package server_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/servertest"
)

// TestOddRequestsAreAnswered sends what is legal but rare in HTTP, and what is
// nearly HTTP, byte by byte.
func TestOddRequestsAreAnswered(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const body = `{"name":"odd"}`
	bearer := "Authorization: Bearer " + s.Admin + "\r\n"
	get := func(target string, header ...string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + strings.Join(header, "") + "\r\n"
	}
	post := func(header, body string) string {
		return "POST /api/v2/clients HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + bearer + header + "\r\n" + body
	}
	posted := func(body string) string { return post(fmt.Sprintf("Content-Length: %d\r\n", len(body)), body) }
	for name, c := range map[string]struct {
		request string
		then    string // sent after 100 Continue
		status  int
	}{
		"a body that waits": {post("Expect: 100-continue\r\nContent-Length: 14\r\n", ""), body, http.StatusCreated},
		"a body in chunks": {
			post("Transfer-Encoding: chunked\r\n", "5\r\n"+body[:5]+"\r\n9;x=y\r\n"+body[5:]+"\r\n0\r\n\r\n"), "", http.StatusCreated,
		},
		"an upgrade to HTTP/2": {
			get("/healthz", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"), "", http.StatusOK,
		},
		"HTTP/1.0":                  {"GET /healthz HTTP/1.0\r\n\r\n", "", http.StatusOK},
		"an absolute address":       {get("http://elsewhere.example/healthz"), "", http.StatusOK},
		"an escape that is none":    {get("/api/v2/clients/%zz", bearer), "", http.StatusBadRequest},
		"two slashes":               {get("//api/v2/clients", bearer), "", http.StatusNotFound},
		"two tokens":                {get("/api/v2/clients", bearer, bearer), "", http.StatusBadRequest},
		"a header of 60 kB":         {get("/healthz", "X: "+strings.Repeat("x", 60_000)+"\r\n"), "", http.StatusOK},
		"two lengths":               {post("Content-Length: 14\r\nContent-Length: 15\r\n", body), "", http.StatusBadRequest},
		"a member twice":            {posted(`{"name":"a","name":"b"}`), "", http.StatusBadRequest},
		"half a surrogate":          {posted(`{"name":"\ud800"}`), "", http.StatusBadRequest},
		"a body where none belongs": {get("/healthz", "Content-Length: 14\r\n") + body, "", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if status := converse(t, s, c.request, c.then); status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
		})
	}
}

// converse sends a request, then what is to be sent after 100 Continue, and
// returns the status of the answer.
func converse(t *testing.T, s *servertest.Server, request, then string) int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(servertest.Patience)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, request)
	answers := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answers, nil)
	if err == nil && then != "" {
		if resp.StatusCode != http.StatusContinue {
			t.Fatalf("status %d before the body", resp.StatusCode)
		}
		fmt.Fprint(conn, then)
		resp, err = http.ReadResponse(answers, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
