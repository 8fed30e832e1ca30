package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// listeners are what one server listens on.
type listeners []net.Listener

// listen opens addr. Where it is "", that is port 8080, of every interface, or of
// loopback alone where the database is embedded: whoever tries Roster has not
// yet thought of who may reach it. If the port is not free and another may be
// taken instead, taken reports that another was.
func listen(ctx context.Context, addr string, embedded, another bool) (open listeners, taken bool, err error) {
	if addr != "" {
		open, err = listenAll(ctx, addr)
		return open, false, err
	}
	hosts := []string{""}
	if embedded {
		hosts = []string{"127.0.0.1", "::1"}
	}
	const first, last = 8080, 8180
	for port := first; port <= last; port++ {
		addresses := make([]string, len(hosts))
		for i, host := range hosts {
			addresses[i] = net.JoinHostPort(host, strconv.Itoa(port))
		}
		open, err = listenAll(ctx, addresses...)
		if err == nil || !another || !errors.Is(err, syscall.EADDRINUSE) {
			return open, port != first, err
		}
	}
	return nil, true, err
}

// listenAll opens all of addresses, but for those that this machine does not
// have. The error is that of none, or of one that is in use.
func listenAll(ctx context.Context, addresses ...string) (open listeners, err error) {
	var config net.ListenConfig
	for _, address := range addresses {
		ln, failed := config.Listen(ctx, "tcp", address)
		switch {
		case failed == nil:
			open = append(open, ln)
		case len(addresses) > 1 && slices.ContainsFunc(absent, func(e error) bool { return errors.Is(failed, e) }):
			err = failed
		default:
			open.close()
			return nil, failed
		}
	}
	if len(open) > 0 {
		err = nil
	}
	return open, err
}

// absent are the errors of listening on an address of a family, or of an
// interface, that the machine does not have.
var absent = []error{syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT}

func (l listeners) close() {
	for _, ln := range l {
		ln.Close()
	}
}

func (l listeners) String() string {
	addresses := make([]string, len(l))
	for i, ln := range l {
		addresses[i] = ln.Addr().String()
	}
	return strings.Join(addresses, ", ")
}

// serve has srv answer on all listeners. served gets what ended that; where one
// of them failed, the others are closed.
func (l listeners) serve(srv *http.Server) (served <-chan error) {
	answer := srv.Serve
	if srv.TLSConfig != nil { // which Serve sets for itself
		answer = func(ln net.Listener) error { return srv.ServeTLS(ln, "", "") }
	}
	ended := make(chan error, len(l))
	for _, ln := range l {
		go func() { ended <- answer(ln) }()
	}
	first := make(chan error, 1)
	go func() {
		err := <-ended
		if !errors.Is(err, http.ErrServerClosed) {
			srv.Close()
		}
		first <- err
	}()
	return first
}
