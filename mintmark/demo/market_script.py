"""What happens on the simulated market, as market.toml tells it: who does what, day by day."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FILE = Path(__file__).parent / "market.toml"


@dataclass(frozen=True, kw_only=True)
class ScriptedAction:
    """`day` counts from the start of the fleet's ninety days; `who` is a person, or an assistant that buys or injects
    by itself."""

    day: float
    who: str


@dataclass(frozen=True, kw_only=True)
class MandateAction(ScriptedAction):
    """Amounts in credits."""

    assistant: str
    per_purchase: str
    per_day: str
    trust_floor: float


@dataclass(frozen=True, kw_only=True)
class GiftAction(ScriptedAction):
    """From the wallet of `who` to an assistant's."""

    to: str
    tokens: str
    memo: str


@dataclass(frozen=True, kw_only=True)
class MintAction(ScriptedAction):
    """Credits that the console issues to `who`."""

    tokens: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ScriptedWarranty:
    """`floor` in [0, 1] on a ritual, over so many runs within so many days."""

    ritual: str
    floor: float
    runs: int
    days: int


@dataclass(frozen=True, kw_only=True)
class ListingAction(ScriptedAction):
    """`tokens` is the price; rates in percent."""

    prompt: str
    tokens: str
    preview: str
    royalty: int = 0
    max_discount: int = 0
    warranty: ScriptedWarranty | None = None


@dataclass(frozen=True, kw_only=True)
class PromptSetAction(ScriptedAction):
    """`discount` in percent."""

    team: str
    name: str
    title: str
    description: str
    prompts: Sequence[str]
    discount: int = 0


@dataclass(frozen=True, kw_only=True)
class PurchaseAction(ScriptedAction):
    """Of a prompt, or of a set by its name."""

    prompt: str = ""
    set: str = ""


@dataclass(frozen=True, kw_only=True)
class TrialAction(ScriptedAction):
    """Eight runs of the prompt's ritual by each assistant named, recorded by `who`."""

    prompt: str
    assistants: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class RatingAction(ScriptedAction):
    """Stars as the generating model lets `who` feel."""

    prompt: str


@dataclass(frozen=True, kw_only=True)
class InjectionAction(ScriptedAction):
    """`reason` passes by a closed gate."""

    prompt: str
    assistant: str
    slot: str
    variables: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ForkAction(ScriptedAction):
    """`effect` is a logit of the generating model."""

    team: str
    parent: str
    line: str
    title: str
    changes: Sequence[str]
    effect: float
    text: str


_KINDS: Mapping[str, type[ScriptedAction]] = {
    "mandate": MandateAction,
    "give": GiftAction,
    "mint": MintAction,
    "list": ListingAction,
    "curate": PromptSetAction,
    "buy": PurchaseAction,
    "try": TrialAction,
    "rate": RatingAction,
    "inject": InjectionAction,
    "fork": ForkAction,
}


def read_actions() -> list[ScriptedAction]:
    """Everything in the file, in the order of time."""
    actions = []
    for raw in tomllib.loads(FILE.read_text(encoding="utf-8"))["act"]:
        kind = _KINDS[raw.pop("do")]
        if "warranty" in raw:
            raw["warranty"] = ScriptedWarranty(**raw["warranty"])
        actions.append(kind(**raw))
    return sorted(actions, key=lambda action: action.day)
