"""Which addresses are called: public ones, and those that the installation names. A name is looked up at each call, and
what is called is the address that was looked at, not the name."""

import ipaddress
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

LONGEST = 500


def problem(url: str) -> str:
    """What keeps an address from being taken; "" where it may be. Names are looked up when they are called."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "It is no address."
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > LONGEST:
        return "Give an address such as https://example.com/hooks."
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "It holds a name, a password or a fragment; deliveries are signed instead."
    if not url.isascii() or not url.isprintable() or " " in url or port == 0:
        return "It holds characters that stand in no address."
    if is_named(parts):
        return ""
    if parts.scheme != "https":
        return "Give an https address; plain http is for hosts that MINTMARK_WEBHOOK_HOSTS names."
    try:
        return "" if is_public(parts.hostname) else _PRIVATE
    except ValueError:
        return ""


_PRIVATE = "It is a private address; MINTMARK_WEBHOOK_HOSTS says which of those are called."


def refused(url: str, looked_up: Sequence[str]) -> str:
    """What keeps a call from being made to what a name stands for now; "" where nothing does."""
    if said := problem(url):
        return said
    if is_named(urlsplit(url)):
        return ""
    return "" if looked_up and all(map(is_public, looked_up)) else _PRIVATE


def is_named(parts: SplitResult) -> bool:
    """Whether the installation names this host, alone or with its port."""
    allowed = settings.WEBHOOK_HOSTS
    return parts.hostname in allowed or f"{parts.hostname}:{parts.port}" in allowed


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet. ValueError where it is none."""
    found = ipaddress.ip_address(address)
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    if inner is not None and not is_public(str(inner)):
        return False
    return found.is_global and not found.is_multicast
