"""Schemas of signed payloads: strict models, and a one-line error for a payload that does not match."""

from typing import TypeGuard

import pydantic


class PayloadModel(pydantic.BaseModel):
    """Unknown fields are ignored: a later minor version may add some."""

    # The other regex engine counts joiners as letters, and keeps 25 MB of tables.
    model_config = pydantic.ConfigDict(
        strict=True, frozen=True, extra="ignore", regex_engine="python-re"
    )


class InvalidPayload(ValueError):
    """A payload does not match its schema: the message names the invalid field and the reason."""


def parse_payload[S: PayloadModel](model: type[S], payload: bytes) -> S:
    """Parse a payload with this model. Raises `InvalidPayload`, which names the first invalid field."""
    try:
        return model.model_validate_json(payload)
    except pydantic.ValidationError as wrong:
        first = wrong.errors(include_input=False, include_url=False)[0]
        field_path = ".".join(map(str, first["loc"]))
        raise InvalidPayload(f"{field_path[:120]}: {first['msg'][:200]}.") from None


def is_another_major(payload_version: object, *, version: str) -> TypeGuard[str]:
    """Whether a payload states a `major.minor` version whose major part is not supported."""
    return (
        isinstance(payload_version, str)
        and payload_version.partition(".")[0] != version.partition(".")[0]
    )
