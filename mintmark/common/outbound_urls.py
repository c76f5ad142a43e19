"""Which addresses may be called: public ones, and those that the installation names. A name is resolved at each call,
and the call goes to the address that was checked, not to the name."""

import ipaddress
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

MAX_URL_LENGTH = 500


class InvalidUrl(ValueError):
    """A text is not an address that can be called over HTTP; the message says why."""


def parse_url(url: str, *, example: str, message: str, allow_query: bool = True) -> SplitResult:
    """The parts of an address, before the check whether it may be called.

    Raises `InvalidUrl`: with `example` if it is not an address, with `message` if it contains a name, a password, a
    fragment or (unless `allow_query`) a query.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidUrl("It is not an address.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > MAX_URL_LENGTH:
        raise InvalidUrl(f"Give an address such as {example}.")
    has_credentials_or_fragment = (
        parts.username is not None or parts.password is not None or parts.fragment
    )
    if has_credentials_or_fragment or (parts.query and not allow_query):
        raise InvalidUrl(message)
    if not url.isascii() or not url.isprintable() or " " in url or port == 0:
        raise InvalidUrl("It contains characters that no address may contain.")
    return parts


def find_url_problem(url: str) -> str:
    """Why an address can't be used; "" if it can. Names are resolved when they are called."""
    try:
        parts = parse_url(
            url,
            example="https://example.com/hooks",
            message="It holds a name, a password or a fragment; deliveries are signed instead.",
        )
    except InvalidUrl as error:
        return str(error)
    if is_allowlisted(parts):
        return ""
    if parts.scheme != "https":
        return "Give an https address; plain http is for hosts that MINTMARK_WEBHOOK_HOSTS names."
    try:
        return "" if is_public(parts.hostname or "") else _PRIVATE_ADDRESS_MESSAGE
    except ValueError:
        return ""


_PRIVATE_ADDRESS_MESSAGE = (
    "It is a private address; MINTMARK_WEBHOOK_HOSTS says which of those are called."
)


def find_blocked_reason(url: str, ip_addresses: Sequence[str]) -> str:
    """Why a call to the addresses that a name resolves to is not allowed; "" if it is."""
    if problem := find_url_problem(url):
        return problem
    if is_allowlisted(urlsplit(url)):
        return ""
    return "" if ip_addresses and all(map(is_public, ip_addresses)) else _PRIVATE_ADDRESS_MESSAGE


def is_allowlisted(parts: SplitResult) -> bool:
    """Whether the installation names this host, with or without its port."""
    allowed = settings.WEBHOOK_HOSTS
    return parts.hostname in allowed or f"{parts.hostname}:{parts.port}" in allowed


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet. Raises ValueError for anything but an IP address."""
    ip = ipaddress.ip_address(address)
    embedded_ip = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    if embedded_ip is not None and not is_public(str(embedded_ip)):
        return False
    return ip.is_global and not ip.is_multicast
