"""An address is the peer's, unless a proxy that is trusted says for whom it asks."""

import ipaddress

import pytest

from mintmark.ratelimit import client_ip

PROXIES = [ipaddress.ip_network(text) for text in ("127.0.0.1", "10.0.0.0/8", "fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("198.51.100.7", "", "198.51.100.7"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),  # whoever says it is no proxy of ours
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        (
            "127.0.0.1",
            "1.2.3.4, 203.0.113.9",
            "203.0.113.9",
        ),  # what stands before is the caller's own word
        ("127.0.0.1", "1.2.3.4, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
        ("127.0.0.1", "10.2.2.2,10.1.1.1", "10.2.2.2"),
        ("127.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "1.2.3.4, ,", "127.0.0.1"),
        ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("fd00::1", "[2001:db8:1:2:3::4]:443", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "", "fe80::/64"),
        ("", "203.0.113.9", ""),
        ("pipe", "203.0.113.9", "pipe"),
    ],
)
def test_the_address_that_is_counted(peer: str, forwarded: str, found: str) -> None:
    assert client_ip.get_client_ip(peer=peer, forwarded=forwarded, proxies=PROXIES) == found
