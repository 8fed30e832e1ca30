package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificatePoll is how long a handshake may use a certificate without looking
// whether its files have changed.
const certificatePoll = time.Second

// certificate is the pair of ROSTER_TLS_CERT_FILE and ROSTER_TLS_KEY_FILE. New
// connections get what the files hold now; those that are open go on.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	tried   string // stamp of the files that were read last, to any end
	looked  time.Time
}

// newCertificate reads the certificate of two files, which must be valid at the
// start.
func newCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	return c, c.reload()
}

// config returns a configuration with the certificate.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= certificatePoll {
		c.renew()
	}
	return c.current, nil
}

// look reads the files now if they have changed.
func (c *certificate) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renew()
}

func (c *certificate) renew() {
	if err := c.reload(); err != nil {
		c.log.Error("cannot use the TLS certificate files; keeping the previous certificate", "err", err)
	}
}

// reload reads the files if they have changed. Their being replaced one after
// the other is an error in between, and the second change is noticed.
func (c *certificate) reload() error {
	c.looked = time.Now()
	stamp := stampOf(c.certFile) + stampOf(c.keyFile)
	if stamp == c.tried {
		return nil
	}
	c.tried = stamp
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	if c.current != nil {
		c.log.Info("the TLS certificate has changed", "subject", pair.Leaf.Subject.String(), "until", pair.Leaf.NotAfter)
	}
	c.current = &pair
	return nil
}

// stampOf is another text when the file is another one.
func stampOf(file string) string {
	info, err := os.Stat(file)
	if err != nil {
		return "unreadable "
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
}
