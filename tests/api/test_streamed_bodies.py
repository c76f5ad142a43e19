"""Bodies that come in chunks are read as bodies with a stated length are: by granian, and by a plain WSGI server."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from io import BytesIO
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.utils import timezone

from mintmark.config import request_streams
from mintmark.evidence.models import Event
from mintmark.otlp.models import OtlpIngestCount
from tests import installations
from tests.factories.cast import Cast
from tests.otlp.exports import PATH, Exporter, export, in_protobuf

PROTOBUF = "application/x-protobuf"


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def plain_server() -> Iterator[int]:
    """The application behind wsgiref, which hands on the connection's bytes; yields its port."""
    from mintmark.config.wsgi import application

    server = make_server(
        "127.0.0.1", 0, application, server_class=WSGIServer, handler_class=_QuietHandler
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send_in_chunks(
    port: int,
    path: str,
    raw: bytes,
    *,
    kind: str,
    headers: Mapping[str, str] | None = None,
    size: int = 100,
) -> tuple[HTTPResponse, bytes]:
    """A POST as Node.js sends it; the answer and its body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    pieces = (raw[start : start + size] for start in range(0, len(raw), size))
    sent = {"Content-Type": kind, "Transfer-Encoding": "chunked"} | dict(headers or {})
    connection.request("POST", path, pieces, sent, encode_chunked=True)
    answer = connection.getresponse()
    return answer, answer.read()


@pytest.fixture
def exporter(emptied_past_the_triggers: None, transactional_db: None) -> Exporter:
    return Exporter(Cast(now=timezone.now()))


@pytest.mark.django_db(transaction=True)
def test_a_plain_server_reads_chunks_at_every_door(exporter: Exporter) -> None:
    records = [exporter.record() for _ in range(5)]
    key = exporter.headers
    evidence = {
        "kind": "outcome", "prompt": "acme/triage@1", "assistant": "scout", "ritual": "triage-cases",
        "score": 1.0, "key": "in-chunks",
    }  # fmt: skip
    with plain_server() as port:
        answer, body = send_in_chunks(
            port, PATH, json.dumps(export(*records[:2])).encode(), kind="application/json", headers=key
        )  # fmt: skip
        assert (answer.status, json.loads(body)) == (200, {})
        answer, body = send_in_chunks(
            port, PATH, in_protobuf(*records[2:]), kind=PROTOBUF, headers=key
        )
        assert (answer.status, body) == (200, b"")
        answer, body = send_in_chunks(
            port, "/api/v1/evidence", json.dumps(evidence).encode(), kind="application/json", headers=key
        )  # fmt: skip
        assert answer.status in (200, 201), body
        answer, body = send_in_chunks(
            port, "/sign-in", b"username=a&password=b", kind="application/x-www-form-urlencoded"
        )  # fmt: skip
        assert answer.status == 403  # the form's token was looked for in what was read
    assert Event.objects.count() == 6


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["application/json", PROTOBUF])
def test_chunks_beyond_the_limit_are_refused_as_a_problem(
    exporter: Exporter, settings: Any, kind: str
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    with plain_server() as port:
        answer, body = send_in_chunks(port, PATH, b"x" * 1_001, kind=kind, headers=exporter.headers)
        assert (answer.status, json.loads(body)["code"]) == (413, "body_too_large")
        assert answer.headers["Content-Type"] == "application/problem+json"
        answer, body = send_in_chunks(
            port, "/sign-in", b"x" * 1_001, kind="application/x-www-form-urlencoded"
        )
        assert (answer.status, b"At most 1,000 bytes are accepted" in body) == (413, True)
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_broken_chunks_are_refused_and_nothing_of_them_is_recorded(exporter: Exporter) -> None:
    (authorization,) = exporter.headers.values()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {authorization}\r\n"
        f"Content-Type: {PROTOBUF}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    whole = in_protobuf(exporter.record())
    with plain_server() as port:
        for broken in (b"zz\r\n", b"%x\r\n%s" % (len(whole) + 1, whole), b""):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall(head + broken)
                connection.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: connection.recv(65_536), b""))
            assert answer.startswith(b"HTTP/1.0 422 "), answer
            assert b"invalid_request" in answer
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_an_export_without_records_is_counted_and_said(db: None, built_cast: Cast) -> None:
    exporter = Exporter(built_cast)
    answer = exporter.send()
    assert json.loads(answer.content) == {
        "partialSuccess": {
            "rejectedLogRecords": "0", "errorMessage": "the export held no record"
        }
    }  # fmt: skip
    assert b"the export held no record" in exporter.sent(in_protobuf(), PROTOBUF).content
    assert OtlpIngestCount.objects.get(fate="empty").count == 2


def test_granian_reads_chunks(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_MAX_REQUEST_BYTES", "100000")
    path, kind = "/api/v1/rituals", "application/json"
    ritual = json.dumps({"name": "in-chunks", "tag": "task:a"}).encode()
    with installations.installation() as made:
        made.run("mintmark.cli", "user", "create", "ann", "--role", "admin")
        issued = made.run("mintmark.cli", "key", "issue", "ann", "--scope", "registry", "--json")
        bearer = {"Authorization": f"Bearer {json.loads(issued)['secret']}"}
        with made.served(workers=1) as port:
            answer, body = send_in_chunks(port, path, ritual, size=7, kind=kind, headers=bearer)
            assert (answer.status, json.loads(body)["name"]) == (201, "in-chunks")
            answer, body = send_in_chunks(
                port, path, b" " * 100_001, size=50_000, kind=kind, headers=bearer
            )
            assert (answer.status, json.loads(body)["code"]) == (413, "body_too_large")
            answer, body = send_in_chunks(port, path, ritual, kind="text/plain", headers=bearer)
            assert answer.status == 415


def test_chunks_are_put_together_whatever_their_sizes() -> None:
    raw = b"5;ext=1\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
    assert request_streams.read_chunks(BytesIO(raw), max_bytes=16) == b"hello 0123456789"
    with pytest.raises(RequestDataTooBig):
        request_streams.read_chunks(BytesIO(raw), max_bytes=15)


@pytest.mark.parametrize(
    "raw",
    [b"", b"-5\r\nhello\r\n0\r\n\r\n", b"5\r\nhel", b"5\r\nhelloX\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n",
     b"5" * 5_000, b"00000000000000005\r\n", b"0\r\n" + b"T: x\r\n" * 200],
)  # fmt: skip
def test_what_is_no_chunk_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        request_streams.read_chunks(BytesIO(raw), max_bytes=100)
