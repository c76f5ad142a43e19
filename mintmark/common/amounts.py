"""Amounts as integers: a credit (symbolic token) is a million micro-tokens; floats never enter a sum."""

from decimal import Context, Decimal, InvalidOperation

from mintmark.common import errors

MICRO_PER_TOKEN = 1_000_000
"""Micro-tokens in a credit."""
MAX_MICRO = 10**9 * MICRO_PER_TOKEN
"""The largest amount that is moved at once: 10⁹ credits, which a float64 represents exact to the micro-token."""
_MAX_DIGITS = 40
_EXACT = Context(prec=2 * _MAX_DIGITS)
_TOO_LARGE = "at most 1,000,000,000 tokens move at once"


class InvalidAmount(errors.DomainError):
    """An amount of credits that can't be moved: not a number, too exact, too large, zero or negative."""

    code = "invalid_amount"


def to_micro(amount: str | int | float | Decimal) -> int:
    """An amount of credits as micro-tokens, exactly. Raises `InvalidAmount` unless 0 < amount ≤ 10⁹ with at most six
    decimals.

    A float is read as the shortest decimal that represents it: 0.1 is 0.1.
    """
    if isinstance(amount, int) and amount > MAX_MICRO:
        raise _build_error("of so many digits", _TOO_LARGE)
    text = repr(amount) if isinstance(amount, float) else str(amount)
    try:
        decimal_amount = Decimal(text if len(text) <= _MAX_DIGITS else "")
    except InvalidOperation:
        raise _build_error(text[:_MAX_DIGITS], "it is not a number of up to 40 digits") from None
    if not decimal_amount.is_finite():
        raise _build_error(text, "it is not a number")
    if decimal_amount <= 0:
        raise _build_error(text, "it must be more than 0")
    if decimal_amount > MAX_MICRO // MICRO_PER_TOKEN:
        raise _build_error(text, _TOO_LARGE)
    micro_amount = decimal_amount.scaleb(6, context=_EXACT)
    if micro_amount != int(micro_amount):
        raise _build_error(text, "a token has six decimals at most")
    return int(micro_amount)


def to_tokens(amount_micro: int) -> Decimal:
    """Micro-tokens as credits, exactly."""
    return Decimal(amount_micro).scaleb(-6)


def format_tokens(amount_micro: int) -> str:
    """Micro-tokens as people read them: `12.5`, `1,000`, `-0.000001`."""
    text = f"{to_tokens(amount_micro):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_exact(amount_micro: int) -> str:
    """Micro-tokens as programs read them: without separators, without zeros at the end."""
    return format_tokens(amount_micro).replace(",", "")


def _build_error(amount: str, reason: str) -> InvalidAmount:
    return InvalidAmount(
        f"The amount {amount!r} can't be used: {reason}. Give tokens such as 12.5."
    )
