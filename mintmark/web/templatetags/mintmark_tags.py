"""Tags of the pages: figures with their exact value behind them, intervals, terms, times, links that keep the query."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import urlencode

from django import template
from django.template.context import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mintmark.common import amounts
from mintmark.registry.models import Assistant, Prompt
from mintmark.reputation.results import ProvenanceShares
from mintmark.textchecks.clauses import ClauseResult
from mintmark.web import glossary, number_format, query_params
from mintmark.web.charts import color_scales
from mintmark.web.charts import interval as intervals
from mintmark.web.charts import provenance as provenance_parts
from mintmark.web.market import licences
from mintmark.web.scores import foresight_panel

register = template.Library()

_KINDS = {
    "outcome": "measured outcome",
    "replay": "replay",
    "approval": "approval",
    "rating": "rating",
    "recall": "recall check",
    "clause": "rule check",
    "reweigh_team": "record of a team",
    "reweigh_prompt": "record of a team, for this prompt",
}


_PROVENANCES = {
    "executed": "run by this installation",
    "vouched": "vouched for",
    "claim": "claimed, case by case",
    "word": "reported, unchecked",
    "interested": "reported by who gains by it",
    "no_right": "reported without a right to the prompt",
}

_WALLET_PAGES = {"wallet", "mine", "requests", "webhooks", "webhook"}
_SECTION_PATHS = {
    "/market/": "market",
    "/vaults": "vault",
    "/rituals": "measure",
    "/runs": "measure",
    "/comparisons": "measure",
    "/codices": "measure",
    "/otel": "measure",
    "/reporters": "measure",
    "/about/": "about",
}


class EstimateLike(Protocol):
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
    return _render_number(number_format.format_score(value), value)


@register.simple_tag
def lift(value: float | None) -> SafeString:
    """A signed difference, its exact value on hover."""
    return _render_number(number_format.format_lift(value), value)


@register.simple_tag
def difference(value: float, other: float | None) -> SafeString:
    """How much higher `one` is than `other`."""
    return lift(None if other is None else value - other)


def _render_number(text: str, value: float | None) -> SafeString:
    if text == number_format.UNKNOWN:
        return format_html('<span class="unknown" title="no evidence yet">{}</span>', text)
    return format_html(
        '<span class="figure" title="{}">{}</span>', number_format.format_exact(value), text
    )


@register.filter
def count(value: float) -> str:
    return number_format.format_count(value)


@register.filter
def text_range(span: tuple[int, int]) -> str:
    """A place in a text as people count: from the first character to the last, from 1."""
    start, end = span
    return f"{start + 1:,} to {end:,}" if end > start + 1 else f"{start + 1:,}"


@register.filter
def failing(verdicts: Sequence[ClauseResult]) -> list[ClauseResult]:
    """The verdicts of clauses that are not kept, or that nobody could decide."""
    return [result for result in verdicts if result.holds is not True]


@register.filter
def percentage(value: float) -> str:
    return number_format.format_percentage(value)


@register.filter
def share(value: float) -> str:
    """A counted share in whole percent."""
    return number_format.format_share(value)


@register.filter
def percent(rate_bp: int) -> str:
    """A rate in hundredths of a percent, in percent: 12.5%."""
    return f"{rate_bp / 100:g}%"


@register.filter
def tokens(amount: int | Decimal) -> str:
    """An amount without its unit, of whole micro-credits or of credits as a decimal: 12.5, 1,000, −0.000001."""
    micro = int(amount.scaleb(6)) if isinstance(amount, Decimal) else amount
    return amounts.format_tokens(micro).replace("-", "−")


@register.filter
def tokens_or(amount: int | Decimal | None, default: str) -> str:
    """An amount without its unit, or `default` where there is none."""
    return default if amount is None else tokens(amount)


@register.filter
def in_credits(amount: int | Decimal) -> str:
    """An amount with its unit: 12.5 credits, 1 credit."""
    text = tokens(amount)
    return f"{text} credit" if text == "1" else f"{text} credits"


@register.filter
def provenance(name: str) -> str:
    """Where measured runs come from, in plain words."""
    return _PROVENANCES.get(name, name)


@register.filter
def kind(name: str) -> str:
    """A kind of evidence in plain words."""
    return _KINDS.get(name, name)


@register.inclusion_tag("web/charts/interval.html")
def interval(estimate: EstimateLike, start: float = 0.0, end: float = 1.0) -> dict[str, Any]:
    """An interval drawn on the axis from `start` to `end`; wide and grey where nothing is known."""
    known = estimate.runs > 0
    description = _describe_interval(estimate)
    return {
        "bar": intervals.build_interval_bar(
            value=estimate.value, low=estimate.low, high=estimate.high, start=start, end=end
        ),
        "known": known,
        "words": description if known else f"no evidence of its own yet: expected {description}",
    }


@register.inclusion_tag("web/charts/provenance.html")
def provenance_bar(shares: ProvenanceShares) -> dict[str, Any]:
    """What the effective runs of a score come from; nothing where there are none."""
    parts = provenance_parts.build_parts(shares)
    return {
        "parts": parts,
        "words": ", ".join(f"{number_format.format_share(p.share)} {p.label}" for p in parts),
    }


@register.inclusion_tag("web/charts/interval.html")
def small_interval(estimate: EstimateLike, unit: str) -> dict[str, Any]:
    """An interval from 0 to 1 small enough to stand under its number; says how much was `counted`."""
    context: dict[str, Any] = interval(estimate)
    description = f"{context['words']}, over {number_format.format_count(estimate.runs)} {unit}"
    return context | {"small": True, "words": description}


def _describe_interval(estimate: EstimateLike) -> str:
    value, low, high = map(
        number_format.format_score, (estimate.value, estimate.low, estimate.high)
    )
    return f"{value}, 90% between {low} and {high}"


class EffectLike(Protocol):
    """A difference with its 90% interval."""

    effect: float
    low: float
    high: float


@register.inclusion_tag("web/charts/interval.html")
def interval_of_effect(effect: EffectLike, reach: float) -> dict[str, Any]:
    """The interval of a difference on an axis from −`reach` to `reach`, with a mark at zero."""
    value, low, high = map(number_format.format_lift, (effect.effect, effect.low, effect.high))
    return {
        "bar": intervals.build_interval_bar(
            value=effect.effect, low=effect.low, high=effect.high, start=-reach, end=reach
        ),
        "known": True,
        "words": f"{value}, 90% between {low} and {high}",
    }


@register.filter
def signed_points(difference: float) -> str:
    """A difference of two scores in points: +12, −3.5."""
    return number_format.format_signed_points(difference)


@register.filter
def points(size: float) -> str:
    """The size of a difference in points of score: 3."""
    return number_format.format_points(size)


class DifferenceLike(Protocol):
    """A difference of two scores with bounds that hold at all looks together."""

    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@register.inclusion_tag("web/charts/interval.html")
def interval_of_difference(estimate: DifferenceLike, reach: float) -> dict[str, Any]:
    """The interval of a difference on an axis from −`reach` to `reach`, with a mark at zero."""
    mean, low, high = map(
        number_format.format_signed_points, (estimate.mean, estimate.low, estimate.high)
    )
    return {
        "bar": intervals.build_interval_bar(
            value=estimate.mean, low=estimate.low, high=estimate.high, start=-reach, end=reach
        ),
        "known": True,
        "words": f"{mean} points, between {low} and {high}",
    }


@register.inclusion_tag("web/charts/interval.html")
def mark_of_difference(difference: float) -> dict[str, Any]:
    """Where a difference of two scores lies between −1 and 1, without bounds."""
    return {
        "bar": intervals.build_interval_bar(
            value=difference, low=difference, high=difference, start=-1.0, end=1.0
        ),
        "known": True,
        "words": f"{number_format.format_signed_points(difference)} points",
    }


@register.inclusion_tag("web/charts/interval_pair.html")
def interval_pair(row: foresight_panel.ForesightRow) -> dict[str, Any]:
    """The trust that a text and its edit would have, one interval above the other."""
    prediction = row.prediction
    return {
        "bars": row.bars,
        "words": f"parent {_describe_interval(prediction.as_new)}; yours {_describe_interval(prediction.edited)}",
    }


@register.simple_tag
def heat(value: float | None) -> str:
    """The colour class of a score."""
    return "" if value is None else color_scales.get_sequential_class(value)


@register.simple_tag
def heat_lift(value: float | None, max_lift: float = 0.5) -> str:
    """The colour class of a lift."""
    return "" if value is None else color_scales.get_diverging_class(value, max_lift=max_lift)


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
def term_hint(word: str) -> str:
    """The meaning of a word of the specification, to be a tooltip."""
    return glossary.BY_WORD[word].meaning


@register.simple_tag
def time_ago(at: datetime | None) -> SafeString:
    """A time as its age, the UTC time on hover."""
    if at is None:
        return format_html('<span class="unknown">{}</span>', number_format.UNKNOWN)
    stamp = at.astimezone(timezone.get_default_timezone())
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        stamp.isoformat(),
        stamp.strftime("%Y-%m-%d %H:%M:%S"),
        number_format.format_age(at, now=timezone.now()),
    )


@register.filter
def stars(number: int) -> str:
    """A rating as five stars, so many of them filled."""
    return "★" * number + "☆" * (5 - number)


@register.simple_tag
def page_url(name: str, *args: object, **parameters: object) -> str:
    """The address of a page with a query; a parameter without a value is left out."""
    given = {key: value for key, value in parameters.items() if value not in (None, "")}
    return reverse(name, args=args) + (f"?{urlencode(given)}" if given else "")


@register.simple_tag(takes_context=True)
def mark_section(context: Context, section: str) -> SafeString:
    """The attribute that marks a link of the main navigation as the section of this page; empty for other sections."""
    request = context["request"]
    match = request.resolver_match
    if match is not None and match.url_name in _WALLET_PAGES:
        current = "wallet"
    else:
        current = next(
            (name for start, name in _SECTION_PATHS.items() if request.path.startswith(start)), ""
        )
    return SafeString(' aria-current="true"' if current == section else "")


@register.simple_tag(takes_context=True)
def query(context: Context, **values: object) -> str:
    """The query string of this page with some parameters set; None takes one out."""
    return query_params.build_query_string(context["request"].GET, **values)


@register.simple_tag(takes_context=True)
def drop(context: Context, name: str) -> str:
    """The query string of this page without one parameter, from the start of its list."""
    return query_params.build_query_string(context["request"].GET, **{name: None, "after": None})


@register.simple_tag
def why_link(assistant: Assistant, prompt: Prompt) -> SafeString:
    """The link that opens the reasons for the trust of an assistant in a prompt."""
    url = reverse("pair", args=[assistant.pk, prompt.pk])
    return format_html(
        '<a class="why" href="{url}" hx-get="{url}" hx-target="#why-body">why?'
        '<span class="visually-hidden"> Trust of {} in {}</span></a>',
        assistant.name,
        prompt.reference,
        url=url,
    )


@register.simple_tag(takes_context=True)
def api_call(context: Context, method: str, *parts: object) -> SafeString:
    """The first lines of a `curl` command for a path of the API, given in parts; the body follows on the next line."""
    return format_html(
        'curl -X {} {} \\\n  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\',
        method,
        context["request"].build_absolute_uri("".join(map(str, parts))),
    )


@register.filter
def licence(identifier: str) -> str:
    """A licence as people call it."""
    return licences.get_name(identifier)
