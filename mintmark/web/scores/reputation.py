"""The page of a prompt's reputation: the score, where it comes from, and the events behind it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.market import listings
from mintmark.market.models import PromptTokenListing
from mintmark.registry import codices, entitlements, prompts
from mintmark.registry.models import Prompt
from mintmark.reputation import exports
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.textchecks.clauses import ClauseResult
from mintmark.trust.tracker import AssistantTrustTracker

from .. import csv_response, decorators, query_params
from ..charts import history, lineage
from . import edit_effect_panel, own_view, score_breakdown

EVENTS_PER_PAGE = 25
ASSISTANTS_AT_FIRST = 20
RELATIVES_AT_FIRST = 10
MAX_RELATIVES = 400
_MAX_SNAPSHOTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationQuery:
    """What the address asks for: where the list of events goes on, and which long lists are shown whole."""

    before: int | None
    every_assistant: bool
    every_relative: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptActions:
    """What a reader can do with a prompt: buy it under `listing`, use it, list it; `entombed` is why nobody can."""

    listing: PromptTokenListing | None
    may_use: bool
    may_run: bool
    may_list: bool
    may_export: bool
    is_own: bool
    withdrawal_reason: str | None


def redirect_to_reputation(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """A prompt's own address leads to its reputation."""
    return redirect("reputation", prompt_id)


@decorators.get_view
def show_reputation(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/reputation`, and the next part of its list of events as a fragment."""
    query = ReputationQuery(
        before=query_params.parse_integer(request.GET, "before"),
        every_assistant=query_params.parse_flag(request.GET, "every_assistant"),
        every_relative=query_params.parse_flag(request.GET, "every_relative"),
    )
    prompt = prompts.resolve(reference=str(prompt_id))
    if request.headers.get("HX-Request") == "true" and query.before is not None:
        return render(request, "web/reputation.html#events", _build_events(prompt, query))
    caller = decorators.get_caller(request)
    return render(
        request,
        "web/reputation.html",
        build_context(
            prompt,
            query=query,
            caller=caller,
            shown=own_view.choose_prompt_view(request, caller=caller, prompt=prompt),
            now=timezone.now(),
        ),
    )


@decorators.get_view
def download_evidence(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/evidence.csv`: every event of a prompt, oldest first."""
    table = exports.export_evidence(prompt=prompts.resolve(reference=str(prompt_id)))
    return csv_response.build_csv_response(
        name=f"{table.name}.csv",
        columns=[name for name, _ in table.columns],
        rows=exports.format_rows(table.rows),
    )


def build_context(
    prompt: Prompt,
    *,
    query: ReputationQuery,
    caller: Caller,
    now: datetime,
    shown: own_view.ShownView,
) -> dict[str, Any]:
    """All that the page shows of a prompt, as everybody sees it or as one team does."""
    own_team = shown.own_team
    ledger = PromptReputationLedger(own_team=own_team)
    reputation = ledger.get_reputation(prompt=prompt, now=now)
    recorded = ledger.get_history(prompt=prompt, limit=_MAX_SNAPSHOTS)
    # A line through scores of different policies would show steps that no evidence made.
    snapshots = [snapshot for snapshot in recorded if snapshot.policy == recorded[-1].policy]
    assistants = AssistantTrustTracker(own_team=own_team).list_assistants(
        prompt=prompt, now=now, caller=caller
    )
    may_read = prompts.may_read_text(caller=caller, prompt=prompt)
    return {
        "prompt": prompt,
        "may_read": may_read,
        "rules": _list_rule_results(prompt) if may_read else [],
        "forks": prompt.children.count(),
        "ways": _build_actions(prompt, caller=caller),
        "reputation": reputation,
        "shown": shown,
        "public_trust": PromptReputationLedger().get_estimates(prompts=[prompt], now=now)[prompt.pk]
        if own_team is not None
        else None,
        "sources": score_breakdown.build_breakdown(reputation),
        "snapshots": snapshots,
        "line": history.build_trust_chart(
            points=[
                history.TrustPoint(at=s.at, trust=s.trust, low=s.low, high=s.high)
                for s in snapshots
            ]
        ),
        "assistants": assistants if query.every_assistant else assistants[:ASSISTANTS_AT_FIRST],
        "assistants_in_all": len(assistants),
        **edit_effect_panel.build_edit_effect(prompt=prompt, caller=caller, ledger=ledger),
        **_build_family(prompt, query, ledger=ledger, now=now),
        **_build_events(prompt, query),
    }


def _list_rule_results(prompt: Prompt) -> list[ClauseResult]:
    """What the rule sets that bind a prompt say of its text as it stands; its variables are filled where it works."""
    results = codices.evaluate_prompt(prompt=prompt)
    return [result for result in results if result.kind != "no-unfilled-variables"]


def _build_actions(prompt: Prompt, *, caller: Caller) -> PromptActions:
    listing = listings.find_active_listing(prompt=prompt)
    usable_q = entitlements.build_usable_q(team_ids=caller.team_ids)
    is_author = caller.has_role(Role.AUTHOR, team_id=prompt.team_id)
    is_withdrawn = hasattr(prompt, "tombstone")
    may_use = not is_withdrawn and Prompt.objects.filter(usable_q, pk=prompt.pk).exists()
    return PromptActions(
        listing=listing,
        may_use=may_use,
        may_run=may_use and caller.has_role_anywhere(Role.OPERATOR),
        may_list=is_author and listing is None and not prompt.is_open and not is_withdrawn,
        may_export=not is_withdrawn
        and caller.has_role(Role.AUTHOR, Role.OPERATOR, team_id=prompt.team_id),
        is_own=prompt.team_id in caller.team_ids,
        withdrawal_reason=prompt.tombstone.reason if is_withdrawn else None,
    )


def _build_family(
    prompt: Prompt, query: ReputationQuery, *, ledger: PromptReputationLedger, now: datetime
) -> dict[str, Any]:
    family = ledger.get_lineage(prompt=prompt, now=now, limit=MAX_RELATIVES)
    nodes = {node.prompt.pk: node for node in family.nodes}
    tree = lineage.build_lineage_tree(
        trust={pk: node.trust.value for pk, node in nodes.items()},
        first=prompt.pk,
        edges=[(edge.parent, edge.child) for edge in family.edges],
        annotated=[edge.child for edge in family.edges if edge.gain is not None],
    )
    gains = {
        edge.child: edit_effect_panel.describe_edge(edge.gain, child=nodes[edge.child].prompt)
        for edge in family.edges
        if edge.gain is not None
    }
    edges = [edge for edge in family.edges if edge.child in nodes]
    own_edges = [edge for edge in edges if prompt.pk in (edge.parent, edge.child)]
    other_edges = [edge for edge in edges if prompt.pk not in (edge.parent, edge.child)]
    other_edges.sort(key=lambda edge: -nodes[edge.child].trust.value)
    ordered_edges = [*own_edges, *other_edges]
    shown_edges = ordered_edges if query.every_relative else ordered_edges[:RELATIVES_AT_FIRST]
    return {
        "tree": tree,
        # What is drawn last lies on top: the prompt itself.
        "dots": sorted(
            ((nodes[pk], dot) for pk, dot in tree.dots.items()), key=lambda pair: pair[0].is_self
        ),
        "lines": [(tree_edge, gains.get(tree_edge.child.id)) for tree_edge in tree.edges],
        "lines_measured": bool(gains),
        "relatives": [(nodes.get(edge.parent), edge, nodes[edge.child]) for edge in shown_edges],
        "relatives_in_all": len(ordered_edges),
    }


def _build_events(prompt: Prompt, query: ReputationQuery) -> dict[str, Any]:
    fetched_rows = PromptReputationLedger().list_evidence(
        prompt=prompt, before=query.before, limit=EVENTS_PER_PAGE + 1
    )
    shown_events = fetched_rows[:EVENTS_PER_PAGE]
    next_before = shown_events[-1].event if len(fetched_rows) > EVENTS_PER_PAGE else None
    return {"prompt": prompt, "events": shown_events, "more": next_before, "before": query.before}
