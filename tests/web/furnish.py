"""Puts the scene into an installation, with enough in it for lists to page: `python -m tests.web.furnish`."""

import django


def main() -> None:
    django.setup()
    from datetime import timedelta

    from django.utils import timezone

    from tests.web.fair import Fair
    from tests.web.holdings import Holdings
    from tests.web.laboratory import Laboratory
    from tests.web.scene import Scene
    from tests.web.strongroom import Strongroom
    from tests.web.switchboard import Switchboard

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
