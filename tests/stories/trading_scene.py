"""What stands before the stranger's walk: an author's stall with a set, a fleet that measured it, two buyers to be.

`python -m tests.stories.trading_scene` puts it into an installation and prints, as JSON, a key that reports evidence.
"""

import json
import sys

import django

PASSWORD = "correct horse battery"
TEXTS = {
    "incident-brief": "You brief the engineer on call about {incident}. Say in three sentences what is broken.\nBrief:",
    "incident-steps": "List the next steps for {incident}, the safest first.\nSteps:",
}


def main() -> None:
    django.setup()
    from datetime import timedelta

    from django.utils import timezone

    from mintmark.accounts import keys
    from mintmark.accounts.models import Role, Team
    from mintmark.market.listings import ListingOffer
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.registry import rituals
    from tests.factories.cast import Cast, person

    now = timezone.now() - timedelta(hours=1)
    cast = Cast(now=now)
    thirds = Team.objects.create(name="thirds")
    person("third", Role.OPERATOR, Role.AUTHOR, team=thirds)
    ritual = rituals.register(name="incident-cases", tag="task:incident")
    market = SymbolicPromptTokenMarketplace()
    seller = cast.as_(cast.seller)
    written = [
        cast.written(f"acme/{name}", text, is_open=False, tags=("task:incident",))
        for name, text in TEXTS.items()
    ]
    cast.record(
        *[
            cast.outcome(
                score=score, runs=20, prompt=prompt.pk, assistant=cast.smith.pk, ritual=ritual.pk
            )
            for prompt, score in zip(written, (0.9, 0.7), strict=True)
        ],
        by=cast.seller,
        now=now,
    )
    for prompt, price in zip(written, ("10", "15"), strict=True):
        offer = ListingOffer(
            prompt=prompt,
            token_cost=price,
            licence="CC-BY-4.0",
            royalty_bp=1_000,
            preview="For engineers on call.",
        )
        market.list_prompt(caller=seller, offer=offer, now=now)
    market.create_prompt_set(
        caller=seller, team=cast.sellers, name="on-call", title="On-call starter", prompts=written,
        discount_bp=2_000, now=now,
    )  # fmt: skip
    key = keys.issue(principal=cast.scout.principal, scopes=["evidence", "read"])
    json.dump({"key": key.secret, "prompt": written[0].pk, "scout": cast.scout.pk}, sys.stdout)


if __name__ == "__main__":
    main()
