package admission

import (
	"log/slog"
	"net/netip"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// source is whom a request without a token is charged to: an IPv4 address, or
// the /64 network of an IPv6 one, all of which one host may use (RFC 4291
// §2.5.4). The zero source is everybody whose address is unknown.
type source struct {
	network netip.Prefix
}

// sourceOf returns the source of an address. An IPv4 address written as an IPv6
// one is the same source.
func sourceOf(text string) source {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return source{}
	}
	address = address.Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	network, err := address.Prefix(bits)
	if err != nil {
		return source{}
	}
	return source{network}
}

// loopback reports whether requests from s come from the same machine.
func (s source) loopback() bool {
	return s.network.IsValid() && s.network.Addr().Is4() && s.network.Addr().IsLoopback() || s.network == loopback6
}

var loopback6 = netip.MustParsePrefix("::/64") // no other address of it is anybody's

// forwarding notices a proxy that is not trusted: all who come through it are
// one address, and share one limit.
type forwarding struct {
	mu    sync.Mutex
	peers *simplelru.LRU[string, *peer]
	told  int
}

type peer struct {
	requests, forwarded int
	told                bool
}

const (
	maxPeers     = 64
	maxTold      = 8   // peers that the log names
	enoughToTell = 100 // requests
)

// note counts a request. After every hundred of one peer, if most of them had
// X-Forwarded-For, it warns, once for each peer.
func (f *forwarding) note(c *gin.Context, log *slog.Logger) {
	address := c.RemoteIP()
	if c.ClientIP() != address { // the header is believed
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.peers.Get(address)
	if !ok {
		p = &peer{}
		f.peers.Add(address, p)
	}
	p.requests++
	if c.GetHeader("X-Forwarded-For") != "" {
		p.forwarded++
	}
	if p.requests < enoughToTell {
		return
	}
	if p.forwarded > p.requests/2 && !p.told && f.told < maxTold {
		p.told = true
		f.told++
		log.Warn("most requests from one address have X-Forwarded-For, which is not believed: all who come that way share "+
			"the limits of one address; if that is a proxy of yours, name it in ROSTER_TRUSTED_PROXIES", "address", address)
	}
	p.requests, p.forwarded = 0, 0
}
