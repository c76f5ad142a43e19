"""The steps with a prompt of the market, buy to fork: what is done already, and where the next is taken."""

from dataclasses import dataclass

from mintmark.accounts.callers import Caller
from mintmark.core import kinds
from mintmark.evidence.models import Event
from mintmark.market import lineage, ratings
from mintmark.market.models import Injection, PromptTokenListing, Purchase
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt
from mintmark.trust import judges

from . import licences

BUY, INJECT, USE, RATE, FORK = "buy", "inject", "use", "rate", "fork"
_STARS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what it is called, whether it is done, whether it can be taken now, and in words how things stand.

    `purchase` and `injections` and `forks` are what was done, to link to."""

    name: str
    is_done: bool = False
    is_open: bool = False
    says: str = ""
    purchase: Purchase | None = None
    injections: tuple[Injection, ...] = ()
    forks: tuple[Prompt, ...] = ()


def of(*, caller: Caller, listing: PromptTokenListing) -> list[Step]:
    """The five steps in their order, as they stand for a caller and his teams."""
    prompt = listing.prompt
    is_own = prompt.team_id in caller.team_ids
    served = entitlements.served_to(team_ids=caller.team_ids)
    may_use = Prompt.objects.filter(served, pk=prompt.pk).exists()
    return [
        _buy(caller, listing, is_own=is_own, is_held=may_use),
        _inject(caller, prompt, may_use=may_use),
        _use(caller, prompt),
        _rate(caller, prompt, may_use=may_use),
        _fork(caller, prompt, is_own=is_own, may_use=may_use),
    ]


def _buy(caller: Caller, listing: PromptTokenListing, *, is_own: bool, is_held: bool) -> Step:
    if is_own:
        return Step(name=BUY, is_done=True, says="It is your team's own.")
    bought = (
        Purchase.objects.filter(
            prompt=listing.prompt_id, team__in=caller.team_ids, entitlement__ended_at__isnull=True
        )
        .select_related("team")
        .order_by("-id")
        .first()
    )
    if bought is not None:
        return Step(name=BUY, is_done=True, purchase=bought)
    if is_held:
        return Step(name=BUY, is_done=True, says="Your team may use it already.")
    if listing.withdrawn_at is not None:
        return Step(name=BUY, says="It is not offered under this listing any more.")
    return Step(name=BUY, is_open=True)


def _inject(caller: Caller, prompt: Prompt, *, may_use: bool) -> Step:
    at_work = tuple(
        Injection.objects.filter(
            prompt=prompt, assistant__team__in=caller.team_ids, ended_at__isnull=True
        )
        .select_related("assistant")
        .order_by("assistant__name", "slot")[:5]
    )
    says = "" if may_use else "Once your team has it."
    return Step(name=INJECT, is_done=bool(at_work), is_open=may_use, says=says, injections=at_work)


def _use(caller: Caller, prompt: Prompt) -> Step:
    if judges.uses(caller=caller, prompt_ids={prompt.pk}):
        return Step(name=USE, is_done=True, says="Your assistants have recorded uses of it.")
    return Step(
        name=USE, says="Run it, and report how each run went: that is what a score is made of."
    )


def _rate(caller: Caller, prompt: Prompt, *, may_use: bool) -> Step:
    last = (
        Event.objects.filter(
            prompt=prompt, actor=caller.principal, kind=kinds.Kind.RATING, assistant__isnull=True
        )
        .order_by("-id")
        .first()
    )
    why_not = ratings.why_not(caller=caller, prompt=prompt)
    if last is not None:
        stars = round(last.score * (_STARS - 1)) + 1
        return Step(
            name=RATE,
            is_done=True,
            is_open=why_not is None,
            says=f"You gave it {stars} of {_STARS} stars.",
        )
    says = (why_not or "") if may_use else "Once your team has used it."
    return Step(name=RATE, is_open=why_not is None, says=says)


def _fork(caller: Caller, prompt: Prompt, *, is_own: bool, may_use: bool) -> Step:
    made = tuple(
        Prompt.objects.filter(parent=prompt, team__in=caller.team_ids, derivation="fork")
        .defer("text", "wording")
        .order_by("-id")[:5]
    )
    team_id = caller.principal.team_id
    allowed = is_own or lineage.terms_of(prompt=prompt, team_id=team_id).allows_forks
    if not allowed:
        licence = licences.name(lineage.licence_of(prompt=prompt, team_id=team_id))
        return Step(name=FORK, says=f"Its licence does not allow it ({licence}).")
    says = "" if may_use else "Once your team has it."
    return Step(name=FORK, is_done=bool(made), is_open=may_use, says=says, forks=made)
