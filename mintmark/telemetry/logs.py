"""Log lines as JSON, one document a line: what happened and in which request, without what was asked or answered."""

import json
import logging
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from mintmark.core import leaks

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered; empty outside of one."""

_TOLD = ("method", "route", "status", "ms")
_LONGEST_MESSAGE = 2_000
_MOST_FRAMES = 30


class Json(logging.Formatter):
    """Of an exception its kind and places are told, not what it says: that may quote a row of the database. What looks
    like a secret is replaced by what it is."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": leaks.redacted(record.getMessage()[:_LONGEST_MESSAGE]),
        }
        if own := request_id.get():
            told["request_id"] = own
        told |= {name: record.__dict__[name] for name in _TOLD if name in record.__dict__}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
            told["error"] = type(error).__name__
            told["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(told, ensure_ascii=True, default=str)
