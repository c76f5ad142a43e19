"""Who gets in, and what no page of these tells."""

import pytest
from django.test import Client

from tests.factories.holdings_fixture import BRIEF, DIGEST, ESCALATE, FORK, Holdings
from tests.web import markup

pytestmark = [pytest.mark.django_db, pytest.mark.both("smoke set: the pages")]


PATHS = (
    "/wallet",
    "/wallet/statement.csv",
    "/market/mine",
    "/market/requests",
    "/webhooks",
    "/assistants/{scout}/context",
    "/prompts/{brief}/inject",
    "/prompts/{brief}/rate",
    "/prompts/{brief}/fork",
)


def _paths(holdings: Holdings) -> list[str]:
    ids = {"scout": holdings.cast.scout.pk, "brief": holdings.brief.pk}
    return [path.format(**ids) for path in PATHS]


def test_nobody_sees_one_of_these_pages_without_signing_in(holdings: Holdings) -> None:
    client = holdings.scene.client(None)
    for path in _paths(holdings):
        assert client.get(path)["Location"].startswith("/sign-in?next=/"), path
        assert client.post(path)["Location"].startswith("/sign-in?next=/"), path
    assert client.post("/injections/1/withdraw")["Location"].startswith("/sign-in")


def test_no_page_tells_a_text_to_those_who_may_not_read_it(
    holdings: Holdings, stranger: Client
) -> None:
    texts = [BRIEF, DIGEST, ESCALATE, FORK]
    lines = [line for text in texts for line in text.splitlines() if len(line) > 20]
    guest = holdings.scene.client(holdings.guest)  # entitled to the fork alone
    for client, secret in (
        (stranger, lines),
        (guest, [DIGEST, ESCALATE, "Say in three sentences"]),
    ):
        for path in _paths(holdings):
            answer = client.get(path)
            body = (
                b"".join(answer.streaming_content)  # type: ignore[attr-defined]
                if answer.streaming
                else answer.content
            ).decode()
            assert not [line for line in secret if line in body], path


def test_no_page_of_these_holds_inline_style_or_script(holdings: Holdings, buyer: Client) -> None:
    for path in _paths(holdings):
        answer = buyer.get(path)
        if answer.streaming:
            continue
        page = markup.read(answer)
        assert "<style" not in page
        assert " style=" not in page
        assert " onclick" not in page
        assert page.count("<script") == page.count("<script src=") > 0
