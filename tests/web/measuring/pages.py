"""The pages of measuring: how their tests read and use them."""

import re
from typing import Any

from django.http import HttpResponse
from django.test import Client

from tests.web import markup


def page(client: Client, path: str, *, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, markup.read(answer)[:2000]
    return markup.read(answer)


def words(page: str) -> str:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    return re.sub(r" ([,.:;)])", r"\1", text)


def post(client: Client, path: str, **sent: Any) -> HttpResponse:
    return client.post(path, sent)  # type: ignore[return-value]
