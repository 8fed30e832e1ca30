package admission

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// Connections bounds how many connections a server has. Where there are too
// many, the one that has been quiet for longest gives way to a new one: first
// among those of the same source, then of the source that has the most.
type Connections struct {
	most, each int
	trusted    []netip.Prefix // proxies, which may have any number of them

	mu  sync.Mutex
	all int
	of  map[source]map[net.Conn]uint64 // since when it is quiet, 0 if it is not
	at  uint64                         // counts changes
}

// NewConnections returns bounds in which proxies in the trusted networks have no
// share of their own.
func NewConnections(trusted []string) *Connections {
	k := &Connections{most: 8192, each: 1024, of: map[source]map[net.Conn]uint64{}}
	for _, text := range trusted {
		if network, err := netip.ParsePrefix(text); err == nil {
			k.trusted = append(k.trusted, network.Masked())
		}
	}
	return k
}

// Changed is the ConnState of an http.Server.
func (k *Connections) Changed(conn net.Conn, state http.ConnState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	from := sourceOf(host)
	k.at++
	switch state {
	case http.StateNew:
		if len(k.of[from]) >= k.each && !k.isTrusted(host) && !k.makeRoom(from) || k.all >= k.most && !k.makeRoom(k.largest()) {
			_ = conn.Close()
			return
		}
		if k.of[from] == nil {
			k.of[from] = map[net.Conn]uint64{}
		}
		k.of[from][conn] = k.at
		k.all++
	case http.StateIdle:
		k.mark(from, conn, k.at)
	case http.StateActive:
		k.mark(from, conn, 0)
	case http.StateClosed, http.StateHijacked:
		k.forget(from, conn)
	}
}

func (k *Connections) mark(from source, conn net.Conn, at uint64) {
	if _, ok := k.of[from][conn]; ok {
		k.of[from][conn] = at
	}
}

func (k *Connections) forget(from source, conn net.Conn) {
	if _, ok := k.of[from][conn]; !ok {
		return
	}
	k.all--
	if delete(k.of[from], conn); len(k.of[from]) == 0 {
		delete(k.of, from)
	}
}

// makeRoom closes the connection of a source that has been quiet for longest, and
// reports whether there was one.
func (k *Connections) makeRoom(from source) bool {
	var oldest net.Conn
	since := k.at
	for conn, at := range k.of[from] {
		if at != 0 && at < since {
			oldest, since = conn, at
		}
	}
	if oldest == nil {
		return false
	}
	k.forget(from, oldest)
	_ = oldest.Close()
	return true
}

// largest returns the source that has the most connections.
func (k *Connections) largest() (most source) {
	for from, list := range k.of {
		if len(list) > len(k.of[most]) {
			most = from
		}
	}
	return most
}

func (k *Connections) isTrusted(host string) bool {
	address, err := netip.ParseAddr(host)
	for _, network := range k.trusted {
		if err == nil && network.Contains(address.Unmap()) {
			return true
		}
	}
	return false
}
