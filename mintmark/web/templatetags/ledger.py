"""Tags of the pages: figures with their exact value behind them, intervals, terms, times, links that keep the query."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from django import template
from django.template.context import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mintmark.core import money
from mintmark.core.clauses import Verdict
from mintmark.web import figures, foreseen, glossary, licences, parameters
from mintmark.web.charts import interval as intervals
from mintmark.web.charts import scales

register = template.Library()

_KINDS = {
    "outcome": "measured outcome",
    "replay": "replay",
    "approval": "approval",
    "rating": "rating",
    "recall": "recall check",
    "clause": "rule check",
}


class Estimated(Protocol):
    """A value with its 90% interval and the runs behind it; no runs means that nothing is known."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def runs(self) -> float: ...


@register.simple_tag
def score(value: float | None) -> SafeString:
    """A score, its exact value on hover."""
    return _figure(figures.score(value), value)


@register.simple_tag
def lift(value: float | None) -> SafeString:
    """A signed difference, its exact value on hover."""
    return _figure(figures.lift(value), value)


@register.simple_tag
def difference(one: float, other: float | None) -> SafeString:
    """How much higher `one` is than `other`."""
    return lift(None if other is None else one - other)


def _figure(written: str, value: float | None) -> SafeString:
    if written == figures.UNKNOWN:
        return format_html('<span class="unknown" title="no evidence yet">{}</span>', written)
    return format_html('<span class="figure" title="{}">{}</span>', figures.exact(value), written)


@register.filter
def count(value: float) -> str:
    return figures.count(value)


@register.filter
def place(span: tuple[int, int]) -> str:
    """A place in a text as people count: from the first character to the last, from 1."""
    start, end = span
    return f"{start + 1:,} to {end:,}" if end > start + 1 else f"{start + 1:,}"


@register.filter
def failing(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts of clauses that are not kept, or that nobody could decide."""
    return [one for one in verdicts if one.holds is not True]


@register.filter
def percentage(value: float) -> str:
    return figures.percentage(value)


@register.filter
def share(value: float) -> str:
    """A counted share in whole percent."""
    return figures.share(value)


@register.filter
def percent(rate_bp: int) -> str:
    """A rate in hundredths of a percent, in percent: 12.5%."""
    return f"{rate_bp / 100:g}%"


@register.filter
def tokens(amount: int | Decimal) -> str:
    """An amount without its unit, of whole micro-tokens or of tokens as a decimal: 12.5, 1,000, −0.000001."""
    micro = int(amount.scaleb(6)) if isinstance(amount, Decimal) else amount
    return money.shown(micro).replace("-", "−")


@register.filter
def in_tokens(amount: int | Decimal) -> str:
    """An amount with its unit: 12.5 tokens, 1 token."""
    written = tokens(amount)
    return f"{written} token" if written == "1" else f"{written} tokens"


@register.filter
def kind(name: str) -> str:
    """A kind of evidence in plain words."""
    return _KINDS.get(name, name)


@register.inclusion_tag("web/charts/interval.html")
def interval(estimate: Estimated, start: float = 0.0, end: float = 1.0) -> dict[str, Any]:
    """An interval drawn on the axis from `start` to `end`; wide and grey where nothing is known."""
    known = estimate.runs > 0
    words = _in_words(estimate)
    return {
        "bar": intervals.bar(
            value=estimate.value, low=estimate.low, high=estimate.high, start=start, end=end
        ),
        "known": known,
        "words": words if known else f"no evidence of its own yet: expected {words}",
    }


@register.inclusion_tag("web/charts/interval.html")
def small_interval(estimate: Estimated, counted: str) -> dict[str, Any]:
    """An interval from 0 to 1 small enough to stand under its number; says how much was `counted`."""
    drawn: dict[str, Any] = interval(estimate)
    words = f"{drawn['words']}, over {figures.count(estimate.runs)} {counted}"
    return drawn | {"small": True, "words": words}


def _in_words(estimate: Estimated) -> str:
    value, low, high = map(figures.score, (estimate.value, estimate.low, estimate.high))
    return f"{value}, 90% between {low} and {high}"


class Effect(Protocol):
    """A difference with its 90% interval."""

    effect: float
    low: float
    high: float


@register.inclusion_tag("web/charts/interval.html")
def interval_of_effect(effect: Effect, reach: float) -> dict[str, Any]:
    """The interval of a difference on an axis from −`reach` to `reach`, with a mark at zero."""
    value, low, high = map(figures.lift, (effect.effect, effect.low, effect.high))
    return {
        "bar": intervals.bar(
            value=effect.effect, low=effect.low, high=effect.high, start=-reach, end=reach
        ),
        "known": True,
        "words": f"{value}, 90% between {low} and {high}",
    }


@register.filter
def signed_points(difference: float) -> str:
    """A difference of two scores in points: +12, −3.5."""
    return figures.signed_points(difference)


@register.filter
def points(size: float) -> str:
    """The size of a difference in points of score: 3."""
    return figures.points(size)


class Compared(Protocol):
    """A difference of two scores with bounds that hold at all looks together."""

    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@register.inclusion_tag("web/charts/interval.html")
def interval_of_difference(said: Compared, reach: float) -> dict[str, Any]:
    """The interval of a difference on an axis from −`reach` to `reach`, with a mark at zero."""
    mean, low, high = map(figures.signed_points, (said.mean, said.low, said.high))
    return {
        "bar": intervals.bar(
            value=said.mean, low=said.low, high=said.high, start=-reach, end=reach
        ),
        "known": True,
        "words": f"{mean} points, between {low} and {high}",
    }


@register.inclusion_tag("web/charts/interval.html")
def mark_of_difference(difference: float) -> dict[str, Any]:
    """Where a difference of two scores lies between −1 and 1, without bounds."""
    return {
        "bar": intervals.bar(
            value=difference, low=difference, high=difference, start=-1.0, end=1.0
        ),
        "known": True,
        "words": f"{figures.signed_points(difference)} points",
    }


@register.inclusion_tag("web/charts/beside.html")
def beside(row: foreseen.Row) -> dict[str, Any]:
    """The trust that a text and its edit would have, one interval above the other."""
    told = row.told
    return {
        "bars": row.bars,
        "words": f"parent {_in_words(told.as_new)}; yours {_in_words(told.edited)}",
    }


@register.simple_tag
def heat(value: float | None) -> str:
    """The colour class of a score."""
    return "" if value is None else scales.sequential(value)


@register.simple_tag
def heat_lift(value: float | None, most: float = 0.5) -> str:
    """The colour class of a lift."""
    return "" if value is None else scales.diverging(value, most=most)


@register.simple_tag
def term(word: str) -> SafeString:
    """The specification's word in small capitals, its meaning on hover and behind the link."""
    entry = glossary.BY_WORD[word]
    return format_html(
        '<a class="term" href="{}#{}" title="{}">{}</a>',
        reverse("about_scores"),
        entry.anchor,
        entry.meaning,
        entry.word,
    )


@register.simple_tag
def when(at: datetime | None) -> SafeString:
    """A time as its age, the UTC time on hover."""
    if at is None:
        return format_html('<span class="unknown">{}</span>', figures.UNKNOWN)
    stamp = at.astimezone(timezone.get_default_timezone())
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        stamp.isoformat(),
        stamp.strftime("%Y-%m-%d %H:%M:%S"),
        figures.age(at, now=timezone.now()),
    )


@register.simple_tag(takes_context=True)
def query(context: Context, **values: object) -> str:
    """The query string of this page with some parameters set; None takes one out."""
    return parameters.changed(context["request"].GET, **values)


@register.simple_tag(takes_context=True)
def drop(context: Context, name: str) -> str:
    """The query string of this page without one parameter, from the start of its list."""
    return parameters.changed(context["request"].GET, **{name: None, "after": None})


@register.filter
def licence(identifier: str) -> str:
    """A licence as people call it."""
    return licences.name(identifier)
