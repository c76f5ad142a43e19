"""The page of a prompt's reputation: the score, where it comes from, and the events behind it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.core.clauses import Verdict
from mintmark.market import listings
from mintmark.market.models import PromptTokenListing
from mintmark.registry import codices, entitlements, prompts
from mintmark.registry.models import Prompt
from mintmark.reputation import extracts
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.trust.tracker import AssistantTrustTracker

from . import doors, files, gained, parameters, sources
from .charts import history, lineage

EVENTS_A_PAGE = 25
ASSISTANTS_AT_FIRST = 20
RELATIVES_AT_FIRST = 10
MOST_RELATIVES = 400
_SNAPSHOTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address asks for: where the list of events goes on, and which long lists are shown whole."""

    before: int | None
    every_assistant: bool
    every_relative: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What a reader can do with a prompt: buy it under `listing`, use it, list it; `entombed` is why nobody can."""

    listing: PromptTokenListing | None
    may_use: bool
    may_run: bool
    may_list: bool
    may_export: bool
    is_own: bool
    entombed: str | None


def to_reputation(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """A prompt's own address leads to its reputation."""
    return redirect("reputation", prompt_id)


@doors.page
def page(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/reputation`, and the next part of its list of events as a fragment."""
    asked = Asked(
        before=parameters.whole(request.GET, "before"),
        every_assistant=parameters.flag(request.GET, "every_assistant"),
        every_relative=parameters.flag(request.GET, "every_relative"),
    )
    prompt = prompts.named(reference=str(prompt_id))
    if request.headers.get("HX-Request") == "true" and asked.before is not None:
        return render(request, "web/reputation.html#events", _events(prompt, asked))
    caller = doors.caller(request)
    return render(
        request, "web/reputation.html", read(prompt, asked=asked, caller=caller, now=timezone.now())
    )


@doors.page
def evidence_file(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/evidence.csv`: every event of a prompt, oldest first."""
    table = extracts.evidence(prompt=prompts.named(reference=str(prompt_id)))
    return files.table(
        name=f"{table.name}.csv",
        columns=[name for name, _ in table.columns],
        rows=extracts.plain(table.rows),
    )


def read(prompt: Prompt, *, asked: Asked, caller: Caller, now: datetime) -> dict[str, Any]:
    """All that the page shows of a prompt."""
    ledger = PromptReputationLedger()
    reputation = ledger.reputation(prompt=prompt, now=now)
    recorded = ledger.history(prompt=prompt, limit=_SNAPSHOTS)
    # A line through scores of different policies would show steps that no evidence made.
    snapshots = [one for one in recorded if one.policy == recorded[-1].policy]
    assistants = AssistantTrustTracker().assistants_of(prompt=prompt, now=now, caller=caller)
    may_read = prompts.may_read_text(caller=caller, prompt=prompt)
    return {
        "prompt": prompt,
        "may_read": may_read,
        "rules": _rules(prompt) if may_read else [],
        "forks": prompt.children.count(),
        "ways": _ways(prompt, caller=caller),
        "reputation": reputation,
        "sources": sources.of(reputation),
        "snapshots": snapshots,
        "line": history.line(
            points=[
                history.Point(at=s.at, trust=s.trust, low=s.low, high=s.high) for s in snapshots
            ]
        ),
        "assistants": assistants if asked.every_assistant else assistants[:ASSISTANTS_AT_FIRST],
        "assistants_in_all": len(assistants),
        **gained.of(prompt=prompt, caller=caller),
        **_family(prompt, asked, ledger=ledger, now=now),
        **_events(prompt, asked),
    }


def _rules(prompt: Prompt) -> list[Verdict]:
    """What the rule sets that bind a prompt say of its text as it stands; its variables are filled where it works."""
    found = codices.of_prompt(prompt=prompt)
    return [one for one in found if one.kind != "no-unfilled-variables"]


def _ways(prompt: Prompt, *, caller: Caller) -> Ways:
    listing = listings.standing(prompt=prompt)
    served = entitlements.served_to(team_ids=caller.team_ids)
    is_author = caller.has_role(Role.AUTHOR, team_id=prompt.team_id)
    entombed = hasattr(prompt, "tombstone")
    may_use = not entombed and Prompt.objects.filter(served, pk=prompt.pk).exists()
    return Ways(
        listing=listing,
        may_use=may_use,
        may_run=may_use and caller.holds(Role.OPERATOR),
        may_list=is_author and listing is None and not prompt.is_open and not entombed,
        may_export=not entombed
        and caller.has_role(Role.AUTHOR, Role.OPERATOR, team_id=prompt.team_id),
        is_own=prompt.team_id in caller.team_ids,
        entombed=prompt.tombstone.reason if entombed else None,
    )


def _family(
    prompt: Prompt, asked: Asked, *, ledger: PromptReputationLedger, now: datetime
) -> dict[str, Any]:
    family = ledger.lineage(prompt=prompt, now=now, limit=MOST_RELATIVES)
    nodes = {node.prompt.pk: node for node in family.nodes}
    tree = lineage.tree(
        trust={pk: node.trust.value for pk, node in nodes.items()},
        first=prompt.pk,
        edges=[(edge.parent, edge.child) for edge in family.edges],
        written=[edge.child for edge in family.edges if edge.gain is not None],
    )
    gains = {
        edge.child: gained.on_edge(edge.gain, child=nodes[edge.child].prompt)
        for edge in family.edges
        if edge.gain is not None
    }
    edges = [edge for edge in family.edges if edge.child in nodes]
    own = [edge for edge in edges if prompt.pk in (edge.parent, edge.child)]
    others = [edge for edge in edges if prompt.pk not in (edge.parent, edge.child)]
    others.sort(key=lambda edge: -nodes[edge.child].trust.value)
    listed = [*own, *others]
    shown = listed if asked.every_relative else listed[:RELATIVES_AT_FIRST]
    return {
        "tree": tree,
        # What is drawn last lies on top: the prompt itself.
        "dots": sorted(
            ((nodes[pk], dot) for pk, dot in tree.dots.items()), key=lambda pair: pair[0].is_self
        ),
        "lines": [(line, gains.get(line.child.id)) for line in tree.lines],
        "lines_measured": bool(gains),
        "relatives": [(nodes.get(edge.parent), edge, nodes[edge.child]) for edge in shown],
        "relatives_in_all": len(listed),
    }


def _events(prompt: Prompt, asked: Asked) -> dict[str, Any]:
    found = PromptReputationLedger().evidence(
        prompt=prompt, before=asked.before, limit=EVENTS_A_PAGE + 1
    )
    shown = found[:EVENTS_A_PAGE]
    more = shown[-1].event if len(found) > EVENTS_A_PAGE else None
    return {"prompt": prompt, "events": shown, "more": more, "before": asked.before}
