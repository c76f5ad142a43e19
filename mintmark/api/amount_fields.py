"""Tokens over HTTP: decimal strings, exact to the micro-token, refused with their place where they are wrong."""

from typing import Annotated

from pydantic import AfterValidator, Field

from mintmark.common import amounts

_MAX_LENGTH = 60


def _require_price(text: str) -> str:
    try:
        amounts.to_micro(text)
    except amounts.InvalidAmount as error:
        raise ValueError(error.message) from error
    return text


def _require_price_or_zero(text: str) -> str:
    return text if text == "0" else _require_price(text)


Tokens = Annotated[str, Field(description="tokens, exactly: a decimal with at most six places")]
"""An amount as it is answered; negative where it leaves a wallet."""

Price = Annotated[
    str,
    Field(max_length=_MAX_LENGTH, description='tokens as a string, such as "12.5": above 0'),
    AfterValidator(_require_price),
]
"""An amount as it is asked for; `money.micro` takes it."""

PriceOrZero = Annotated[
    str,
    Field(max_length=_MAX_LENGTH, description='tokens as a string, such as "12.5"; "0" for none'),
    AfterValidator(_require_price_or_zero),
]
"""As `Price`, but it may be "0"; `limit` takes it."""


def parse_price_or_zero(text: str) -> int:
    """A `Limit` in micro-tokens."""
    return 0 if text == "0" else amounts.to_micro(text)


def parse_optional_price(text: str | None) -> int | None:
    """A `Limit` that may be left out, in micro-tokens; None where it is."""
    return None if text is None else parse_price_or_zero(text)


def format_tokens(micro: int) -> str:
    """Micro-tokens as `Tokens`: no separators, no zeros at the end."""
    return amounts.format_exact(micro)
