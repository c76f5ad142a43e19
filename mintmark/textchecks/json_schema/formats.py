"""The formats of strings and numbers that a schema may name, as ajv-formats 3 checks them (promptfoo's `is-json`).

The others of JSON Schema (`regex`, `uri-template`, `idn-email`, …) are unknown here, and a schema that names one is
refused: a format that nobody checks would pass everything.
"""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from .. import regex

MAX_CHARACTERS = 4_096
"""A longer string keeps no format; a text such as this is read in a step's work."""

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_ATOM = r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+"
_MAIL_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_ESCAPED = r"%[0-9a-fA-F]{2}"
_SEGMENT = rf"(?:[a-zA-Z0-9\-._~!$&'()*+,;=:@]|{_ESCAPED})"
_EXTRA = rf"(?:[a-zA-Z0-9\-._~!$&'()*+,;=:@/?]|{_ESCAPED})"
_AUTHORITY = (
    rf"(?:(?:[a-zA-Z0-9\-._~!$&'()*+,;=:]|{_ESCAPED})*@)?"
    rf"(?:\[([^\]]*)\]|(?:[a-zA-Z0-9\-._~!$&'()*+,;=]|{_ESCAPED})*)(?::\d*)?"
)
_URI = (
    rf"^[a-zA-Z][a-zA-Z0-9+\-.]*:(?:/?/{_AUTHORITY}(?:/{_SEGMENT}*)*"
    rf"|/(?:{_SEGMENT}+(?:/{_SEGMENT}*)*)?|{_SEGMENT}+(?:/{_SEGMENT}*)*)"
    rf"(?:\?{_EXTRA}*)?(?:#{_EXTRA}*)?$"
)
_IPV4 = r"^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$"
_UUID = r"^(?i:urn:uuid:)?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
_POINTER = r"(?:/(?:[^~/]|~0|~1)*)*$"
_DATE = r"^\d\d\d\d-\d\d-\d\d$"
_TIME = r"^\d\d:\d\d:\d\d(?:\.\d+)?(?:[zZ]|[+-]\d\d(?::?\d\d)?)?$"
_DURATION = r"^P(?:(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+S)?)?|\d+W)$"
_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def matches_format(name: str, value: Any) -> bool:
    """Whether a value keeps a format of `FORMATS`; one of another type than the format's does."""
    if name in _NUMBER_FORMATS:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return _NUMBER_FORMATS[name](value) if is_number else True
    if not isinstance(value, str) or name in _UNCHECKED:
        return True
    return len(value) <= MAX_CHARACTERS and _TEXT_FORMATS[name](value)


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: regex.compile_pattern(pattern).search(text) is not None


def _is_date(text: str) -> bool:
    if not _matches(_DATE)(text):
        return False
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:])
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= month <= 12 and 1 <= day <= (29 if month == 2 and is_leap else _DAYS[month])


def _is_time(text: str, *, needs_zone: bool) -> bool:
    if not _matches(_TIME)(text):
        return False
    digits_end = next((n for n in range(8, len(text)) if text[n] not in ".0123456789"), len(text))
    hour, minute, second = int(text[:2]), int(text[3:5]), float(text[6:digits_end])
    zone = text[digits_end:]
    offset_digits = zone[1:].replace(":", "")
    zone_hour, zone_minute = int(offset_digits[:2] or 0), int(offset_digits[2:] or 0)
    if zone_hour > 23 or zone_minute > 59 or (needs_zone and not zone):
        return False
    if hour <= 23 and minute <= 59 and second < 60:
        return True
    # A leap second is at the end of a day in UTC.
    sign = -1 if zone.startswith("-") else 1
    utc_minute = minute - zone_minute * sign
    utc_hour = hour - zone_hour * sign - (utc_minute < 0)
    return utc_hour in (23, -1) and utc_minute in (59, -1) and second < 61


def _is_date_time(text: str, *, needs_zone: bool) -> bool:
    separators = [n for n, character in enumerate(text) if character in "tT" or character.isspace()]
    if len(separators) != 1:
        return False
    at = separators[0]
    return _is_date(text[:at]) and _is_time(text[at + 1 :], needs_zone=needs_zone)


def _is_duration(text: str) -> bool:
    return _matches(_DURATION)(text) and text != "P" and not text.endswith("T")


def _is_hostname(text: str) -> bool:
    plain = text.removesuffix(".")
    return 1 <= len(plain) <= 253 and _matches(rf"^{_LABEL}(?:\.{_LABEL})*$")(plain)


def _is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and ipaddress.IPv6Address(text) is not None
    except ValueError:
        return False


def _is_uri(text: str) -> bool:
    if not _matches(_URI)(text) or not ("/" in text or ":" in text):
        return False
    start, end = text.find("["), text.find("]")
    return start < 0 or _is_ipv6(text[start + 1 : end])


_TEXT_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date": _is_date,
    "time": lambda text: _is_time(text, needs_zone=True),
    "date-time": lambda text: _is_date_time(text, needs_zone=True),
    "iso-time": lambda text: _is_time(text, needs_zone=False),
    "iso-date-time": lambda text: _is_date_time(text, needs_zone=False),
    "duration": _is_duration,
    "email": _matches(rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_MAIL_LABEL}\.)+{_MAIL_LABEL}$"),
    "hostname": _is_hostname,
    "ipv4": _matches(_IPV4),
    "ipv6": _is_ipv6,
    "uri": _is_uri,
    "uuid": _matches(_UUID),
    "json-pointer": _matches(rf"^{_POINTER}"),
    "relative-json-pointer": _matches(rf"^(?:0|[1-9][0-9]*)(?:#$|{_POINTER})"),
}
_NUMBER_FORMATS: Mapping[str, Callable[[float], bool]] = {
    "int32": lambda number: float(number).is_integer() and -(2**31) <= number <= 2**31 - 1,
    "int64": lambda number: float(number).is_integer(),
    "float": lambda number: True,
    "double": lambda number: True,
}
_UNCHECKED = frozenset({"binary", "password"})

FORMATS = frozenset(_TEXT_FORMATS) | frozenset(_NUMBER_FORMATS) | _UNCHECKED
"""The formats that are known."""
