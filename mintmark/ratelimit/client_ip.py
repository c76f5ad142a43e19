"""The client address that rate limits count: the peer's, or what a trusted proxy reports."""

import ipaddress
from collections.abc import Sequence

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network
type _Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_IPV6_PREFIX = 64
"""One subscriber has all the addresses of such a network."""


def get_client_ip(*, peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """The address behind the trusted proxies: `X-Forwarded-For` is read from its end, as long as each sender is one of
    them. For IPv6 it is the network of one subscriber."""
    hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
    address_text, address = peer, _parse_address(peer)
    while hops and address is not None and any(address in network for network in proxies):
        previous = _parse_address(hops.pop())
        if previous is None:  # the proxy does not report it
            break
        address_text, address = str(previous), previous
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address) if address is not None else address_text


def _parse_address(text: str) -> _Address | None:
    """An address, without the port that some proxies add."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address
