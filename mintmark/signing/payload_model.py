"""What a signed payload has to look like: strict shapes, and what is wrong with one that has another, in a line."""

from typing import TypeGuard

import pydantic


class PayloadModel(pydantic.BaseModel):
    """Fields that are not known are let pass: a later minor version may add some."""

    # The other engine takes joiners for letters, and keeps 25 MB of tables.
    model_config = pydantic.ConfigDict(
        strict=True, frozen=True, extra="ignore", regex_engine="python-re"
    )


class InvalidPayload(ValueError):
    """A payload of another shape: which field is wrong, and why."""


def parse_payload[S: PayloadModel](model: type[S], payload: bytes) -> S:
    """The JSON of a payload in this shape; `Misshapen` names the first field that is not."""
    try:
        return model.model_validate_json(payload)
    except pydantic.ValidationError as wrong:
        first = wrong.errors(include_input=False, include_url=False)[0]
        field_path = ".".join(map(str, first["loc"]))
        raise InvalidPayload(f"{field_path[:120]}: {first['msg'][:200]}.") from None


def is_another_major(payload_version: object, *, version: str) -> TypeGuard[str]:
    """Whether a payload says that it is of a version (`major.minor`) that is not read here."""
    return (
        isinstance(payload_version, str)
        and payload_version.partition(".")[0] != version.partition(".")[0]
    )
