"""The steps with a prompt of the market, buy to fork: what is done already, and where the next is taken."""

from dataclasses import dataclass

from mintmark.accounts.callers import Caller
from mintmark.common import evidence_kinds
from mintmark.deployments.models import Injection
from mintmark.evidence.models import Event
from mintmark.market import lineage, ratings
from mintmark.market.models import PromptTokenListing, Purchase
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt
from mintmark.trust import rating_eligibility

from . import licences

BUY, INJECT, USE, RATE, FORK = "buy", "inject", "use", "rate", "fork"
_STARS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistStep:
    """One step: what it is called, whether it is done, whether it can be taken now, and in words how things stand.

    `purchase` and `injections` and `forks` are what was done, to link to."""

    name: str
    is_done: bool = False
    is_open: bool = False
    message: str = ""
    purchase: Purchase | None = None
    injections: tuple[Injection, ...] = ()
    forks: tuple[Prompt, ...] = ()


def build_steps(*, caller: Caller, listing: PromptTokenListing) -> list[ChecklistStep]:
    """The five steps in their order, as they stand for a caller and his teams."""
    prompt = listing.prompt
    is_own = prompt.team_id in caller.team_ids
    usable_q = entitlements.build_usable_q(team_ids=caller.team_ids)
    may_use = Prompt.objects.filter(usable_q, pk=prompt.pk).exists()
    return [
        _build_buy_step(caller, listing, is_own=is_own, is_held=may_use),
        _build_inject_step(caller, prompt, may_use=may_use),
        _build_use_step(caller, prompt),
        _build_rate_step(caller, prompt, may_use=may_use),
        _build_fork_step(caller, prompt, is_own=is_own, may_use=may_use),
    ]


def _build_buy_step(
    caller: Caller, listing: PromptTokenListing, *, is_own: bool, is_held: bool
) -> ChecklistStep:
    if is_own:
        return ChecklistStep(name=BUY, is_done=True, message="Your team owns it.")
    purchase = (
        Purchase.objects.filter(
            prompt=listing.prompt_id, team__in=caller.team_ids, entitlement__ended_at__isnull=True
        )
        .select_related("team")
        .order_by("-id")
        .first()
    )
    if purchase is not None:
        return ChecklistStep(name=BUY, is_done=True, purchase=purchase)
    if is_held:
        return ChecklistStep(name=BUY, is_done=True, message="Your team has it already.")
    if listing.withdrawn_at is not None:
        return ChecklistStep(name=BUY, message="It is no longer for sale under this listing.")
    return ChecklistStep(name=BUY, is_open=True)


def _build_inject_step(caller: Caller, prompt: Prompt, *, may_use: bool) -> ChecklistStep:
    active_injections = tuple(
        Injection.objects.filter(
            prompt=prompt, assistant__team__in=caller.team_ids, ended_at__isnull=True
        )
        .select_related("assistant")
        .order_by("assistant__name", "slot")[:5]
    )
    message = "" if may_use else "After your team has it."
    return ChecklistStep(
        name=INJECT,
        is_done=bool(active_injections),
        is_open=may_use,
        message=message,
        injections=active_injections,
    )


def _build_use_step(caller: Caller, prompt: Prompt) -> ChecklistStep:
    if rating_eligibility.find_used_prompts(caller=caller, prompt_ids={prompt.pk}):
        return ChecklistStep(
            name=USE, is_done=True, message="Your assistants have reported runs of it."
        )
    return ChecklistStep(
        name=USE,
        message="Run it and report the result of each run. Scores are computed from these reports.",
    )


def _build_rate_step(caller: Caller, prompt: Prompt, *, may_use: bool) -> ChecklistStep:
    last_rating = (
        Event.objects.filter(
            prompt=prompt,
            actor=caller.principal,
            kind=evidence_kinds.EvidenceKind.RATING,
            assistant__isnull=True,
        )
        .order_by("-id")
        .first()
    )
    why_not = ratings.find_rating_obstacle(caller=caller, prompt=prompt)
    if last_rating is not None:
        stars = round(last_rating.score * (_STARS - 1)) + 1
        return ChecklistStep(
            name=RATE,
            is_done=True,
            is_open=why_not is None,
            message=f"You gave it {stars} of {_STARS} stars.",
        )
    message = (why_not or "") if may_use else "After your team has used it."
    return ChecklistStep(name=RATE, is_open=why_not is None, message=message)


def _build_fork_step(
    caller: Caller, prompt: Prompt, *, is_own: bool, may_use: bool
) -> ChecklistStep:
    own_forks = tuple(
        Prompt.objects.filter(parent=prompt, team__in=caller.team_ids, derivation="fork")
        .defer("text", "wording")
        .order_by("-id")[:5]
    )
    team_id = caller.principal.team_id
    allowed = is_own or lineage.get_licence_permissions(prompt=prompt, team_id=team_id).allows_forks
    if not allowed:
        licence = licences.get_name(lineage.get_licence(prompt=prompt, team_id=team_id))
        return ChecklistStep(name=FORK, message=f"The licence does not allow it ({licence}).")
    message = "" if may_use else "After your team has it."
    return ChecklistStep(
        name=FORK, is_done=bool(own_forks), is_open=may_use, message=message, forks=own_forks
    )
