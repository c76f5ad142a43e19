"""Tokens as integers: one token is a million micro-tokens, and floats never enter a sum."""

from decimal import Context, Decimal, InvalidOperation

from mintmark.core import errors

MICRO = 1_000_000
"""Micro-tokens in a token."""
LARGEST_MICRO = 10**9 * MICRO
"""The largest amount that is ever moved at once: 10⁹ tokens, which a float64 tells apart to the micro-token."""
_LONGEST = 40
_EXACT = Context(prec=2 * _LONGEST)
_TOO_LARGE = "at most 1,000,000,000 tokens move at once"


class InvalidAmount(errors.Refusal):
    """An amount of tokens that can't be moved: not a number, too exact, too large, zero or negative."""

    code = "invalid_amount"


def micro(amount: str | int | float | Decimal) -> int:
    """Tokens as micro-tokens, exactly; `InvalidAmount` unless 0 < amount ≤ 10⁹ with at most six decimals.

    A float stands for the shortest decimal that reads back as it: 0.1 is 0.1.
    """
    if isinstance(amount, int) and amount > LARGEST_MICRO:
        raise _refused("of so many digits", _TOO_LARGE)
    text = repr(amount) if isinstance(amount, float) else str(amount)
    try:
        exact = Decimal(text if len(text) <= _LONGEST else "")
    except InvalidOperation:
        raise _refused(text[:_LONGEST], "it is not a number of up to 40 digits") from None
    if not exact.is_finite():
        raise _refused(text, "it is not a number")
    if exact <= 0:
        raise _refused(text, "it must be more than 0")
    if exact > LARGEST_MICRO // MICRO:
        raise _refused(text, _TOO_LARGE)
    whole = exact.scaleb(6, context=_EXACT)
    if whole != int(whole):
        raise _refused(text, "a token has six decimals at most")
    return int(whole)


def tokens(amount_micro: int) -> Decimal:
    """Micro-tokens as tokens, exactly."""
    return Decimal(amount_micro).scaleb(-6)


def shown(amount_micro: int) -> str:
    """Micro-tokens as people read them: `12.5`, `1,000`, `-0.000001`."""
    text = f"{tokens(amount_micro):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact(amount_micro: int) -> str:
    """Micro-tokens as programs read them: without separators, without zeros at the end."""
    return shown(amount_micro).replace(",", "")


def _refused(amount: str, why: str) -> InvalidAmount:
    return InvalidAmount(f"The amount {amount!r} can't be used: {why}. Give tokens such as 12.5.")
