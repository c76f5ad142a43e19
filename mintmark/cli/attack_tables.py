"""The tables that `mintmark simulate attack` prints."""

import sys

from rich import box
from rich.console import Console
from rich.table import Table

from mintmark.simulation import attacks, simulated_market
from mintmark.simulation.attacks import AttackReport
from mintmark.simulation.claim_attacks import ClaimAttackReport

# Columns to print where there is no terminal to ask for its width.
_WIDTH = 110

_TITLES = {
    "mintmark": "mintmark",
    "raw_mean": "mean",
    "bayes_average": "Bayes average",
    "wilson_bound": "Wilson bound",
}


def print_report(report: AttackReport) -> None:
    """Every table of the report, each under its title, on standard output."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    for title, table in _build_tables(report):
        console.print(f"\n{title}", highlight=False, soft_wrap=True)
        console.print(table)


def print_claim_report(report: ClaimAttackReport) -> None:
    """Peace and the displacements by false reports, on standard output."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    error = report.peace.error
    console.print(
        f"\nNobody lies: mean |score − true quality| over {report.seeds} seeds is {error['mintmark']:.4f}, "
        f"{error['mintmark'] / error['believing everybody']:.3f} times that of believing everybody; "
        f"{report.peace.honest_distrusted:.1%} of honest teams distrusted",
        highlight=False,
        soft_wrap=True,
    )
    table = _create_table(
        "attack", "teams that lie", "moved", "95%", "largest", "if believed", "liars distrusted",
        "honest distrusted",
    )  # fmt: skip
    for row in report.attacks:
        table.add_row(
            row.attack,
            f"{row.liars} of {report.teams}",
            f"{row.mean['mintmark']:+.3f}",
            f"{row.p95['mintmark']:+.3f}",
            f"{row.largest['mintmark']:+.3f}",
            f"{row.mean['believing everybody']:+.3f}",
            f"{row.liars_distrusted:.0%}",
            f"{row.honest_distrusted:.0%}",
        )
    console.print(
        f"\nUnder attack, {report.audited:.1%} of claimed runs run again: "
        "displacement of the attacked prompts in the direction that the liars want",
        highlight=False,
        soft_wrap=True,
    )
    console.print(table)


def _build_tables(report: AttackReport) -> list[tuple[str, Table]]:
    return [
        (
            f"Without attack: mean |score − true quality| over {report.seeds} seeds; "
            f"κ was learned as {report.kappa:.1f}",
            _build_no_attack_table(report),
        ),
        (
            "Under attack: mean displacement of a target of that true quality",
            _build_displacement_table(report),
        ),
        (
            "As many sybils as honest, camouflaged, spread, voting less",
            _build_chosen_votes_table(report),
        ),
        (
            f"Washing off {attacks.WHITEWASHED_RUNS} runs at q = {attacks.PROMOTED:g}: gain in score",
            _build_whitewashing_table(report),
        ),
        (
            f"What {simulated_market.RATINGS_EACH} honest ratings a prompt are worth: "
            "mean |score − true quality|",
            _build_honest_ratings_table(report),
        ),
    ]


def _create_table(*columns: str, texts: int = 1) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < texts else "right")
    return table


def _build_no_attack_table(report: AttackReport) -> Table:
    table = _create_table("of", *_TITLES.values())
    for of, error in (
        ("all prompts", report.peace.error),
        ("the two targets", report.peace.target_error),
    ):
        table.add_row(of, *(f"{error[m]:.3f}" for m in _TITLES))
    return table


def _build_displacement_table(report: AttackReport) -> Table:
    ours, *other_titles = _TITLES.values()
    table = _create_table("goal", "sybils", "style", ours, "largest", *other_titles, texts=3)
    for row in report.displacements:
        plan = row.attack
        style = [
            *([f"camouflage {plan.camouflage}"] if plan.camouflage else []),
            *(["spread"] if plan.spread else []),
        ]
        table.add_row(
            f"{plan.goal} {plan.target_quality:g}",
            f"{plan.share:.0%}",
            ", ".join(style) or "plain",
            f"{row.mean['mintmark']:+.3f}",
            f"{row.largest['mintmark']:+.3f}",
            *(f"{row.mean[m]:+.3f}" for m in list(_TITLES)[1:]),
        )
    return table


def _build_chosen_votes_table(report: AttackReport) -> Table:
    table = _create_table("goal", "vote", "mintmark")
    for row in report.chosen_votes:
        table.add_row(
            f"{row.attack.goal} {row.attack.target_quality:g}",
            f"{row.attack.vote:.2f}",
            f"{row.mean['mintmark']:+.3f}",
        )
    return table


def _build_whitewashing_table(report: AttackReport) -> Table:
    table = _create_table("prior weight", "new identity", "trivial edit", "chain of five edits")
    for row in report.washing:
        table.add_row(
            f"κ = {row.kappa:.1f}",
            f"{row.new_identity:+.3f}",
            f"{row.trivial_edit:+.3f}",
            f"{row.five_edits:+.3f}",
        )
    return table


def _build_honest_ratings_table(report: AttackReport) -> Table:
    table = _create_table("measured runs a prompt", "without ratings", "with")
    for row in report.honest:
        table.add_row(f"{row.runs:g}", f"{row.without_ratings:.3f}", f"{row.with_ratings:.3f}")
    return table
