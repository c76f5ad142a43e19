"""A process of `test_keys`: two writers at once, the second with a key that the first has written and not committed."""

import json
import threading

import django

django.setup()

from django.db import connection, transaction  # noqa: E402

from mintmark.evidence import log  # noqa: E402
from mintmark.evidence.models import Event  # noqa: E402
from tests.evidence.test_keys import _append, _entries  # noqa: E402
from tests.factories.cast import Cast  # noqa: E402


def main() -> None:
    cast = Cast()
    shared, own = _entries(cast, "shared", "own")
    answers: list[log.AppendResult] = []

    def second_writer() -> None:
        answers.append(_append(cast, [shared, own]))
        connection.close()

    thread = threading.Thread(target=second_writer)
    with transaction.atomic():
        _append(cast, [shared])
        thread.start()
        thread.join(timeout=1.0)
        waited = thread.is_alive()
    thread.join()
    print(  # noqa: T201
        json.dumps(
            {
                "waited": waited,
                "recorded": answers[0].recorded,
                "repeated": answers[0].repeated,
                "events": Event.objects.count(),
            }
        )
    )


if __name__ == "__main__":
    main()
