"""Which assistant a provider of promptfoo's is: its label, else its id with its settings.

One id with two configurations is two assistants. Results name the id alone, so the configuration is found by the
number of the result's column, which counts the providers in the order of the file's `config.providers`.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SECRET = re.compile(r"key|token|secret|password|credential|authorization", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderIdentity:
    """An assistant's name as the file has it, and its model."""

    name: str
    model: str


class AmbiguousProvider(ValueError):
    """A provider's id stands for several settings, and the file does not say which of them answered."""


class ProviderTable:
    """The providers of one file."""

    def __init__(self, config: Mapping[str, Any], heads: Sequence[Mapping[str, Any]]) -> None:
        self._settings: dict[str, list[str]] = defaultdict(list)
        for name, digest in _iterate_providers(config.get("providers")):
            self._settings[name].append(digest)
        self._columns: dict[str, list[int]] = defaultdict(list)
        for number, head in enumerate(heads):
            self._columns[str(head.get("provider"))].append(number)

    def identify(self, raw: Mapping[str, Any]) -> ProviderIdentity:
        """Who answered a result. Raises ValueError where it does not say so, `AmbiguousProvider` where it could be
        several."""
        provider = raw.get("provider")
        fields = provider if isinstance(provider, Mapping) else {"id": provider}
        model = fields.get("id")
        if not isinstance(model, str) or not model:
            raise ValueError("It does not say which provider answered.")
        label = fields.get("label")
        name = label if isinstance(label, str) and label else model
        if isinstance(fields.get("config"), Mapping) and fields["config"]:
            digests = [_hash_settings(fields)]
        else:
            digests = self._settings.get(name) or self._settings.get(model) or [""]
        digest = digests[0]
        if len(set(digests)) > 1:
            digest = self._find_column_settings(raw, name, digests)
        elif name != model:
            digest = ""  # a label is a name that somebody chose for these settings
        return ProviderIdentity(name=f"{name} settings {digest}" if digest else name, model=model)

    def _find_column_settings(
        self, raw: Mapping[str, Any], name: str, digests: Sequence[str]
    ) -> str:
        columns, number = self._columns.get(name, []), raw.get("promptIdx")
        if number not in columns or len(columns) % len(digests):
            raise AmbiguousProvider(
                f"{name[:80]!r} stands for {len(set(digests))} settings, and nothing says which of them answered: give "
                "each a label."
            )
        return digests[columns.index(number) * len(digests) // len(columns)]


def _iterate_providers(providers: Any) -> Iterator[tuple[str, str]]:
    """The name by which results know each provider, and the digest of its settings."""
    for provider in providers if isinstance(providers, list) else [providers]:
        if isinstance(provider, str):
            yield provider, ""
        elif isinstance(provider, Mapping):
            if isinstance(provider.get("id"), str):
                yield str(provider.get("label") or provider["id"]), _hash_settings(provider)
            else:  # {"openai:gpt-4": {config: …}}
                for id_, options in provider.items():
                    fields = options if isinstance(options, Mapping) else {}
                    name = str(fields.get("label") or fields.get("id") or id_)
                    yield name, _hash_settings(fields)


def _hash_settings(fields: Mapping[str, Any]) -> str:
    """Eight characters of the digest of a provider's settings; empty where it has none. Secrets are left out: they
    change and it stays the same assistant."""
    settings = {
        "config": _without_secrets(fields.get("config") or {}),
        **{key: fields[key] for key in ("transform",) if fields.get(key)},
    }
    if not settings["config"] and len(settings) == 1:
        return ""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _without_secrets(member)
            for key, member in value.items()
            if not _SECRET.search(str(key)) or str(key).lower().startswith("max")
        }
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return value
