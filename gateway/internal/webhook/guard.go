package webhook

import (
	"errors"
	"net/netip"
	"syscall"
)

// errForbidden says that a webhook's address is not one that it may reach.
var errForbidden = errors.New("the address is not one that webhooks may reach")

// guard keeps deliveries off everything that is not on the public Internet: a tenant must not reach through us what it
// can't reach itself. The address is looked at when the connection is made, after the name was resolved.
type guard struct {
	allow    []netip.Prefix // reached all the same
	loopback bool           // this machine may be reached, in plain HTTP too: in development
}

// notPublic lists the IPv4 ranges that are not on the public Internet, and the parts of IPv6's global range that are not
// or that lead into IPv4.
func notPublic() []netip.Prefix {
	var list []netip.Prefix
	for _, p := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/4", "240.0.0.0/4", // and broadcast
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		list = append(list, netip.MustParsePrefix(p))
	}
	return list
}

// permits tells whether an address may be reached; plain asks for plain HTTP.
func (g *guard) permits(a netip.Addr, plain bool) bool {
	if g.loopback && a.IsLoopback() && !a.Is4In6() {
		return true
	}
	if plain || a.Zone() != "" {
		return false
	}
	if contains(g.allow, a) {
		return true
	}
	if a.Is6() && !netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20}), 3).Contains(a) {
		return false // IPv6's global addresses are 2000::/3; mapped ones, NAT64's and all the others are not
	}
	return a.IsValid() && !contains(notPublic(), a)
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// control is a dialer's Control: it refuses the connection before the first packet.
func (g *guard) control(plain bool) func(network, address string, _ syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || network != "tcp4" && network != "tcp6" || !g.permits(to.Addr(), plain) {
			return errForbidden
		}
		return nil
	}
}
