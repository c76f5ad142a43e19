"""What a bundle tells: reputation as the ledger has it, lineage to the roots, evidence under pseudonyms."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mintmark.evidence import checkpoints
from mintmark.registry.models import Prompt
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.signing import bundles
from mintmark.signing.bundles import Bundle
from mintmark.vault import bundle_builder
from mintmark.vault.bundle_builder import ExportTerms
from tests.factories.cast import Cast, measured

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(db: None, built_cast: Cast) -> Cast:
    return built_cast


def told(cast: Cast, prompts: Sequence[Prompt], **changes: Any) -> Bundle:
    own = ExportTerms(licence="MIT", rights="author", royalties=())
    asked: dict[str, Any] = {
        "terms": {prompt.pk: own for prompt in prompts},
        "team": cast.sellers,
        "purpose": "export",
        "name": "a-set",
        "title": "",
        "description": "",
        "with_events": False,
        "receipt": None,
    }
    return bundle_builder.build_bundle(prompts=prompts, **(asked | changes))


def test_reputation_is_told_in_millionths_as_the_ledger_has_it(cast: Cast) -> None:
    measured(cast, cast.prompt, [0.9, 0.4])
    cast.record(cast.claim("approval", score=1.0))
    bundle = told(cast, [cast.prompt])
    as_of = datetime.fromisoformat(bundle.as_of)
    known = PromptReputationLedger().get_reputation(prompt=cast.prompt, now=as_of)
    reputation = bundle.prompts[0].reputation
    average = next(one.amount for one in known.contributions if one.source == "prior")
    assert reputation == bundles.BundleReputation(
        trust_ppm=round(known.trust.value * 1e6),
        low_ppm=round(known.trust.low * 1e6),
        high_ppm=round(known.trust.high * 1e6),
        average_ppm=round(average * 1e6),
        task="task:triage",
        outcomes=20,
        replays=0,
        approvals=1,
        ratings=0,
    )


def test_many_are_summed_up_as_each_alone(cast: Cast) -> None:
    other = cast.written("acme/other", "Other {x}.", tags=())
    child = cast.written("acme/triage", "Sort {ticket} again.", parent=cast.prompt)
    measured(cast, cast.prompt, [0.9])
    ledger = PromptReputationLedger()
    many = ledger.get_summaries(prompts=[cast.prompt, other, child], now=cast.now)
    for prompt in (cast.prompt, other, child):
        alone = ledger.get_reputation(prompt=prompt, now=cast.now)
        assert many[prompt.pk].trust == alone.trust
        assert many[prompt.pk].home == alone.home
        counted = {one.source: one.counted for one in alone.contributions if one.source != "prior"}
        assert many[prompt.pk].counted == counted


def test_it_is_told_as_of_the_newest_thing_in_it(cast: Cast) -> None:
    later = datetime.now(UTC) + timedelta(days=2)
    cast.record(cast.outcome(score=0.5), now=later)
    assert told(cast, [cast.prompt]).as_of == bundle_builder.format_time(later)
    assert told(cast, [cast.prompt]).as_of.endswith("Z")
    untouched = cast.written("acme/other", "Other {x}.")
    assert told(cast, [untouched]).as_of == bundle_builder.format_time(untouched.created_at)


def test_ancestors_are_told_to_the_root_without_their_text(cast: Cast) -> None:
    child = cast.written("acme/triage", "Sort {ticket} again.", parent=cast.prompt)
    grandchild = cast.written("acme/triage", "Sort {ticket} at last.", parent=child)
    aside = cast.written("acme/aside", "Aside {ticket}.", parent=child)
    bundle = told(cast, [grandchild, aside])
    assert [one.name for one in bundle.ancestors] == ["acme/triage@1", "acme/triage@2"]
    assert [one.parent for one in bundle.ancestors] == [None, "acme/triage@1"]
    assert bundle.ancestors[0].digest == cast.prompt.digest
    assert bundles.verify(bundles.sign(bundle, keys=[_key()]).to_bytes()).bundle == bundle


def test_who_is_told_with_a_child_is_no_ancestor_besides(cast: Cast) -> None:
    child = cast.written("acme/triage", "Sort {ticket} again.", parent=cast.prompt)
    assert told(cast, [child, cast.prompt]).ancestors == ()


def test_events_are_told_if_wanted_under_names_of_this_bundle_alone(cast: Cast) -> None:
    measured(cast, cast.prompt, [0.9, 0.4])
    assert told(cast, [cast.prompt]).prompts[0].events is None
    bundle = told(cast, [cast.prompt], with_events=True)
    events = bundle.prompts[0].events
    assert events is not None
    assert [(one.kind, one.score_ppm, one.runs) for one in events] == [
        ("outcome", 900_000, 10),
        ("outcome", 400_000, 10),
    ]
    assert {one.ritual for one in events} == {"triage-cases@1"}
    assert all(one.assistant != one.actor and len(one.actor) == 16 for one in events)
    assert "scout" not in bundle.model_dump_json() and "buyer" not in bundle.model_dump_json()
    assert told(cast, [cast.prompt], with_events=True) == bundle
    other = cast.written("acme/other", "Other {x}.")
    wider = told(cast, [cast.prompt, other], with_events=True).prompts[0].events
    assert wider is not None and {one.actor for one in wider}.isdisjoint(
        {one.actor for one in events}
    )


def test_evidence_that_does_not_count_is_not_told(cast: Cast) -> None:
    cast.record(cast.claim("rating", score=1.0, assistant=None), by=cast.seller)
    bundle = told(cast, [cast.prompt], with_events=True)
    assert bundle.prompts[0].events == ()


def test_the_head_of_the_sealed_log_is_told(cast: Cast) -> None:
    assert told(cast, [cast.prompt]).evidence_seal == ""
    cast.record(cast.outcome(score=0.5))
    checkpoints.create_checkpoints(now=cast.now)
    assert told(cast, [cast.prompt]).evidence_seal == str(checkpoints.get_head())


def test_more_prompts_than_a_bundle_takes_are_refused(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "MAX_PROMPTS", 1)
    other = cast.written("acme/other", "Other {x}.")
    with pytest.raises(bundle_builder.InvalidExport, match="2 prompts are too many"):
        told(cast, [cast.prompt, other])


def test_what_fits_no_bundle_is_refused_with_its_place(cast: Cast) -> None:
    odd = ExportTerms(licence="L" * 65, rights="author", royalties=())
    with pytest.raises(bundle_builder.InvalidExport, match="licence 'LLL"):
        told(cast, [cast.prompt], terms={cast.prompt.pk: odd})


def _key() -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(b"k" * 32)
