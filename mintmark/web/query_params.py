"""What a page may be asked in its address: each parameter is read here, or refused by name."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal

from django.http import QueryDict

from mintmark.common import amounts, errors

MAX_ID = 2**63 - 1
_PERCENTAGE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")


class BadParameter(errors.DomainError):
    """A part of a page's address is none that the page knows."""

    code = "bad_parameter"

    def __init__(self, *, name: str, value: str, allowed: str) -> None:
        super().__init__(f"The parameter {name!r} is {value[:80]!r}; it must be {allowed}.")
        self.name = name
        self.value = value[:80]
        self.allowed = allowed


def parse_choice(query: QueryDict, name: str, *, allowed: Sequence[str], default: str) -> str:
    """One of `allowed`; `default` where the parameter is absent or empty."""
    value = query.get(name) or default
    if value not in allowed:
        raise BadParameter(name=name, value=value, allowed=f"one of {', '.join(allowed)}")
    return value


def parse_integer(
    query: QueryDict, name: str, *, minimum: int = 1, maximum: int = MAX_ID
) -> int | None:
    """A whole number from `lowest` to `highest`; None where the parameter is absent or empty."""
    value = query.get(name, "")
    if not value:
        return None
    if not _is_id(value) or not minimum <= int(value) <= maximum:
        upper = f" to {maximum}" if maximum < MAX_ID else ""
        raise BadParameter(name=name, value=value, allowed=f"a whole number from {minimum}{upper}")
    return int(value)


def parse_text(query: QueryDict, name: str, *, max_length: int = 200) -> str:
    """Words to search for, without the space around them."""
    value = query.get(name, "").strip()
    if len(value) > max_length:
        raise BadParameter(name=name, value=value, allowed=f"at most {max_length} characters long")
    if not value.isprintable():
        raise BadParameter(name=name, value=value, allowed="printable characters")
    return value


def parse_flag(query: QueryDict, name: str) -> bool:
    """Whether a box was ticked: 1 or absent."""
    return parse_choice(query, name, allowed=("1", "0"), default="0") == "1"


def build_query_string(query: QueryDict, **values: object) -> str:
    """The query string of the same page with some parameters set; None takes one out."""
    copy = query.copy()
    for name, value in values.items():
        if value is None:
            copy.pop(name, None)
        else:
            copy[name] = str(value)
    return f"?{copy.urlencode()}" if copy else "?"


def parse_score_page_token(query: QueryDict, name: str) -> tuple[float, int] | None:
    """Where a list by score goes on, as a page's own link says it: `score_id`; None at the start of the list."""
    value = query.get(name, "")
    if not value:
        return None
    bound, _, number = value.partition("_")
    try:
        score = float(bound)
    except ValueError:
        score = math.nan
    if not 0.0 <= score <= 1.0 or not _is_id(number):
        raise BadParameter(
            name=name,
            value=value,
            allowed="a position in the list as its links give it, such as 0.61_17",
        )
    return score, int(number)


def parse_page_token(query: QueryDict, name: str) -> tuple[float, int] | None:
    """Where a list in any order goes on, as a page's own link says it: `value_number`, either of them signed."""
    value = query.get(name, "")
    if not value:
        return None
    bound, _, number = value.rpartition("_")
    try:
        sort_value = float(bound)
    except ValueError:
        sort_value = math.nan
    if not math.isfinite(sort_value) or len(value) > 60 or not _is_id(number.removeprefix("-")):
        raise BadParameter(
            name=name,
            value=value,
            allowed="a position in the list as its links give it, such as -0.61_-17",
        )
    return sort_value, int(number)


def parse_share(query: QueryDict, name: str) -> float | None:
    """A number from 0 to 1; None where the parameter is absent or empty."""
    value = query.get(name, "").strip()
    if not value:
        return None
    try:
        number = float(value) if len(value) <= 30 else math.nan
    except ValueError:
        number = math.nan
    if not 0.0 <= number <= 1.0:
        raise BadParameter(name=name, value=value, allowed="a number from 0 to 1")
    return number


def parse_price(query: QueryDict, name: str) -> Decimal | None:
    """A price in tokens, 0 included; None where the parameter is absent or empty."""
    value = query.get(name, "").strip()
    if not value:
        return None
    if value in ("0", "0.0", "0.00"):
        return Decimal(0)
    try:
        return amounts.to_tokens(amounts.to_micro(value))
    except amounts.InvalidAmount as error:
        allowed = "an amount from 0 to 1,000,000,000with up to six decimals, such as 12.5"
        raise BadParameter(name=name, value=value, allowed=allowed) from error


def parse_amount_micro(query: QueryDict, name: str) -> int | None:
    """An amount of money in micro-units, 0 included; None where the parameter is absent or empty."""
    price = parse_price(query, name)
    return None if price is None else int(price * amounts.MICRO_PER_TOKEN)


def parse_float(query: QueryDict, name: str, *, default: float) -> float:
    """A number; `default` where the parameter is absent or empty."""
    value = query.get(name, "").strip()
    if not value:
        return default
    try:
        number = float(value) if len(value) <= 30 else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadParameter(name=name, value=value, allowed="a number, such as 2.5")
    return number


def parse_basis_points(query: QueryDict, name: str) -> int:
    """A percentage with two decimals at most, in hundredths of a percent; 0 where the parameter is absent or empty."""
    value = query.get(name, "").strip() or "0"
    if not _PERCENTAGE.fullmatch(value):
        raise BadParameter(
            name=name, value=value, allowed="a percentage with up to two decimals, such as 12.5"
        )
    return int(Decimal(value) * 100)


def _is_id(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 19 and int(value) <= MAX_ID
