"""Log lines as JSON, one document a line: what happened and in which request, without what was asked or answered."""

import json
import logging
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from mintmark.textchecks import secret_scan

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered; empty outside of one."""

_EXTRA_FIELDS = ("method", "route", "status", "ms")
_MAX_MESSAGE_LENGTH = 2_000
_MAX_FRAMES = 30


class JsonFormatter(logging.Formatter):
    """Of an exception its kind and places are told, not what it says: that may quote a row of the database. What looks
    like a secret is replaced by what it is."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": secret_scan.redact(record.getMessage()[:_MAX_MESSAGE_LENGTH]),
        }
        if current_request_id := request_id.get():
            entry["request_id"] = current_request_id
        entry |= {name: record.__dict__[name] for name in _EXTRA_FIELDS if name in record.__dict__}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
            entry["error"] = type(error).__name__
            entry["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(entry, ensure_ascii=True, default=str)
