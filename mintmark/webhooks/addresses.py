"""Which addresses are called: public ones, and those that the installation names. A name is looked up at each call, and
what is called is the address that was looked at, not the name."""

import ipaddress
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

LONGEST = 500


class Malformed(ValueError):
    """It is no address that can be called over HTTP; the message says why."""


def well_formed(url: str, *, example: str, says: str, query: bool = True) -> SplitResult:
    """The parts of an address, before anybody asks whether it may be called. Raises `Malformed`: with `example` where
    it is none, with `says` where it holds a name, a password, a fragment or (unless `query`) a query."""
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError as wrong:
        raise Malformed("It is no address.") from wrong
    if found.scheme not in ("http", "https") or not found.hostname or len(url) > LONGEST:
        raise Malformed(f"Give an address such as {example}.")
    held = found.username is not None or found.password is not None or found.fragment
    if held or (found.query and not query):
        raise Malformed(says)
    if not url.isascii() or not url.isprintable() or " " in url or port == 0:
        raise Malformed("It holds characters that stand in no address.")
    return found


def problem(url: str) -> str:
    """What keeps an address from being taken; "" where it may be. Names are looked up when they are called."""
    try:
        parts = well_formed(
            url,
            example="https://example.com/hooks",
            says="It holds a name, a password or a fragment; deliveries are signed instead.",
        )
    except Malformed as wrong:
        return str(wrong)
    if is_named(parts):
        return ""
    if parts.scheme != "https":
        return "Give an https address; plain http is for hosts that MINTMARK_WEBHOOK_HOSTS names."
    try:
        return "" if is_public(parts.hostname or "") else _PRIVATE
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
