"""A server of several processes gives each caller the answer to his own question."""

import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

from tests.installations import installation

CALLERS, QUESTIONS = 8, 60


@pytest.mark.postgres_by_day("processes could share a connection to a server, not to a file")
def test_callers_at_once_are_each_told_of_the_prompt_they_asked_for() -> None:
    """Processes that shared a database connection would read each other's rows."""
    with installation() as house:
        told = json.loads(house.run("tests.stories.served_fleet"))
        with house.served(workers=2) as port, ThreadPoolExecutor(CALLERS) as callers:
            answers = list(
                callers.map(
                    lambda n: _ask(port, told["secret"], told["prompts"][n:] + told["prompts"][:n]),
                    range(CALLERS),
                )
            )
    wrong = [answer for caller in answers for answer in caller if answer[:2] != (200, answer[2])]
    assert wrong == []
    assert sum(len(caller) for caller in answers) == CALLERS * QUESTIONS


def _ask(port: int, secret: str, prompts: list[int]) -> list[tuple[int, int | None, int]]:
    """Of each question: status, the prompt that the answer is about, the prompt asked for."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    found = []
    for n in range(QUESTIONS):
        prompt = prompts[n % len(prompts)]
        connection.request(
            "GET",
            f"/api/v1/prompts/{prompt}/reputation",
            headers={"Authorization": f"Bearer {secret}"},
        )
        response = connection.getresponse()
        body = json.loads(response.read())
        found.append((response.status, body.get("prompt", {}).get("id"), prompt))
    return found
