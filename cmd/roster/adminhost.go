package main

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ownHosts answers 421 to requests for another host than the listener's: a page
// of a site whose name a browser was made to look up as this address must not
// read what only those on this machine or network may see. The hosts are those of
// loopback, the address that the request came in at, and the name that addr has.
func ownHosts(addr string, handler http.Handler) http.Handler {
	name, _, _ := net.SplitHostPort(addr)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr); !isOwnHost(r.Host, name, local) {
			http.Error(w, "This is another host.", http.StatusMisdirectedRequest)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

func isOwnHost(host, name string, local net.Addr) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") || name != "" && strings.EqualFold(host, name) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	tcp, ok := local.(*net.TCPAddr)
	return ip.Unmap().IsLoopback() || ok && ip.Unmap() == tcp.AddrPort().Addr().Unmap()
}
