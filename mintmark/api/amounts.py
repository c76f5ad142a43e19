"""Tokens over HTTP: decimal strings, exact to the micro-token, refused with their place where they are wrong."""

from typing import Annotated

from pydantic import AfterValidator, Field

from mintmark.core import money

_LONGEST = 60


def _payable(text: str) -> str:
    try:
        money.micro(text)
    except money.InvalidAmount as wrong:
        raise ValueError(wrong.message) from wrong
    return text


def _allowed(text: str) -> str:
    return text if text == "0" else _payable(text)


Tokens = Annotated[str, Field(description="tokens, exactly: a decimal with at most six places")]
"""An amount as it is answered; negative where it leaves a wallet."""

Price = Annotated[
    str,
    Field(max_length=_LONGEST, description='tokens as a string, such as "12.5": above 0'),
    AfterValidator(_payable),
]
"""An amount as it is asked for; `money.micro` takes it."""

Limit = Annotated[
    str,
    Field(max_length=_LONGEST, description='tokens as a string, such as "12.5"; "0" for none'),
    AfterValidator(_allowed),
]
"""As `Price`, but it may be "0"; `limit` takes it."""


def limit(text: str) -> int:
    """A `Limit` in micro-tokens."""
    return 0 if text == "0" else money.micro(text)


def capped(text: str | None) -> int | None:
    """A `Limit` that may be left out, in micro-tokens; None where it is."""
    return None if text is None else limit(text)


def shown(micro: int) -> str:
    """Micro-tokens as `Tokens`: no separators, no zeros at the end."""
    return money.exact(micro)
