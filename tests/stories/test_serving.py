"""A server of several processes gives each caller the answer to his own question."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException

from tests.installations import installation, kill

CALLERS, QUESTIONS = 8, 60


def test_callers_at_once_are_each_told_of_the_prompt_they_asked_for() -> None:
    """Processes that shared a database connection would read each other's rows."""
    with installation() as house:
        told = json.loads(house.run("tests.stories.served_fleet"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = house.start("mintmark.cli", "serve", "--port", str(port), "--workers", "2")
        try:
            _await(port)
            with ThreadPoolExecutor(CALLERS) as callers:
                answers = list(
                    callers.map(
                        lambda n: _ask(
                            port, told["secret"], told["prompts"][n:] + told["prompts"][:n]
                        ),
                        range(CALLERS),
                    )
                )
        finally:
            server.terminate()
            try:
                server.wait(timeout=30)
            except Exception:
                kill(server)
                raise
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


def _await(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("HEAD", "/")
            connection.getresponse()
            return
        except (OSError, HTTPException):
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
        finally:
            connection.close()
