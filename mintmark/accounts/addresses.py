"""From where somebody asks: the address that is counted, the peer's or what a trusted proxy says of its own."""

import ipaddress
from collections.abc import Sequence

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network
type _Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_IPV6_PREFIX = 64
"""One subscriber has all the addresses of such a network."""


def asking(*, peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """The address behind the proxies that are trusted: `X-Forwarded-For` is believed from its end, as long as who says
    it is one of them. Of IPv6 it is the network of one subscriber."""
    hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
    found, known = peer, _read(peer)
    while hops and known is not None and any(known in network for network in proxies):
        before = _read(hops.pop())
        if before is None:  # the proxy does not tell
            break
        found, known = str(before), before
    if isinstance(known, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((known, _IPV6_PREFIX), strict=False))
    return str(known) if known is not None else found


def _read(text: str) -> _Address | None:
    """An address, without the port that some proxies add."""
    bare = text[1:].partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address
