"""Puts the scene into an installation, with enough in it for lists to page: `python -m tests.factories.seed_site`."""

import django


def main() -> None:
    django.setup()
    from datetime import timedelta

    from django.utils import timezone

    from tests.factories.busy_market_fixture import Fair
    from tests.factories.holdings_fixture import Holdings
    from tests.factories.runs_fixture import Laboratory
    from tests.factories.vault_fixture import Strongroom
    from tests.factories.web_scene import Scene
    from tests.factories.webhooks_fixture import Switchboard

    scene = Scene()
    cast = scene.cast
    now = timezone.now() - timedelta(hours=2)
    forks = [
        cast.written(
            f"acme/triage-{n}", f"Sort {{ticket}}. Way {n}: urgent first?", parent=cast.prompt
        )
        for n in range(60)
    ]
    ranger = cast.assistant("ranger", team=cast.buyers)
    cast.record(
        *[cast.outcome(score=0.3 + n / 100, prompt=fork.pk) for n, fork in enumerate(forks)],
        *[cast.outcome(score=n / 40, assistant=ranger.pk) for n in range(40)],
        now=now,
    )
    holdings = Holdings(scene)
    Fair(holdings)
    Strongroom(holdings)
    Laboratory(scene).compare()
    Switchboard(holdings)


if __name__ == "__main__":
    main()
