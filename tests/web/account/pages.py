"""The pages around what one owns: how their tests read and use them."""

from typing import Any

from django.http import HttpResponse
from django.test import Client

from mintmark.accounts.models import User
from mintmark.common import amounts
from mintmark.registry.models import Assistant
from mintmark.tokens.models import Account
from tests.factories.holdings_fixture import Holdings
from tests.web import markup


def page(client: Client, path: str, *, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, markup.read(answer)[:2000]
    return markup.read(answer)


def part(page: str, heading: str) -> str:
    """The section whose heading has this id."""
    return page.split(f'id="{heading}"')[1].split("</section>")[0]


def post(client: Client, path: str, **sent: Any) -> tuple[int, str, str]:
    """Status, where it leads, and the page."""
    answer: HttpResponse = client.post(path, sent)  # type: ignore[assignment]
    return (
        answer.status_code,
        answer.headers.get("Location", ""),
        markup.read(answer),
    )


def held(who: User | Assistant) -> str:
    principal = who.principal
    return amounts.format_tokens(Account.objects.get(pk=principal.pk).balance_micro)


def context(holdings: Holdings) -> str:
    return f"/assistants/{holdings.cast.scout.pk}/context"
