"""Which addresses belong to the public internet."""

from __future__ import annotations

import ipaddress

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""The addresses behind which a translator reaches IPv4 (RFC 6052)."""
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""The only block of which IANA allocates addresses of the public internet (RFC 4291, section 2.4). Outside of it are,
among others, a network's own translators (64:ff9b:1::/48, RFC 8215), and other forms of IPv4 addresses (``::a.b.c.d``,
``::ffff:0:a.b.c.d``), which a machine may translate to any address."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet. An IPv6 address that stands for an IPv4 address is judged by
    that one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(address.packed[-4:]))
        embedded = address.ipv4_mapped or address.sixtofour
        if embedded is not None:
            return is_public(embedded)
        if address not in _UNICAST or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast
