package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rosterhq/roster/internal/servertest"
)

// writePair puts a self-signed certificate for name and its key into two files.
// Their times are set, so that the second pair differs in them whatever the
// file system's clock.
func writePair(t *testing.T, certFile, keyFile, name string, at time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewCertificateIsServedWithoutDroppingConnections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, certFile, keyFile, "first", time.Now().Add(-time.Hour))
	srv := apiServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), slog.New(slog.DiscardHandler))
	var log servertest.LogBuffer
	cert, err := newCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	srv.TLSConfig = cert.config()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.ServeTLS(ln, "", "") }()
	t.Cleanup(func() { _ = srv.Close() })
	dial := func(most uint16) (*tls.Conn, error) {
		return tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: most}) // the test looks at the name itself
	}
	name := func() string {
		conn, err := dial(0)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	becomes := func(want string) {
		t.Helper()
		servertest.Eventually(t, want+" is served", func() bool { return name() == want })
	}

	open, err := dial(0)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	request := func() {
		t.Helper()
		fmt.Fprint(open, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(open), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	request()
	becomes("first")
	writePair(t, certFile, keyFile, "second", time.Now())
	becomes("second")
	request() // on the connection from before

	if err := os.WriteFile(certFile, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "a handshake looks at the files", func() bool {
		if got := name(); got != "second" {
			t.Fatalf("%s is served", got)
		}
		return strings.Contains(log.String(), "keeping the previous certificate")
	})
	becomes("second")
	if _, err := dial(tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
}

func TestBadCertificateFilesAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := newCertificate(certFile, keyFile, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("missing files are accepted")
	}
	writePair(t, certFile, keyFile, "a", time.Now())
	writePair(t, certFile, filepath.Join(dir, "other.pem"), "b", time.Now())
	if _, err := newCertificate(certFile, keyFile, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("the key of another certificate is accepted")
	}
}
