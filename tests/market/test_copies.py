"""A near-copy of what another team sells: recognised however it is dressed, and not listed without its royalty."""

import json

import pytest
from click.testing import CliRunner

from mintmark.accounts.models import Membership, Role
from mintmark.cli.main import main
from mintmark.common import errors
from mintmark.common.provenance import Provenance
from mintmark.evidence.models import Event, Vouch
from mintmark.market import audit, copies
from mintmark.market.models import CopyDecision, PromptTokenListing
from mintmark.registry import near_copies
from mintmark.registry.models import NearCopy, Prompt
from tests.factories.market_fixture import Stall

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("sketches are looked up by SQL of each vendor"),
]

ORIGINAL = (
    "You sort the tickets of a support desk. Read the {ticket} twice, name the queue it belongs to and how urgent it "
    "is, and say in one sentence why. Never promise a refund, and never guess what the customer did not say."
)
DRESSED = {
    "a blank more": ORIGINAL.replace("Read the", "Read  the ") + " ",
    "other case and punctuation": ORIGINAL.upper().replace(",", ";").replace(".", "!"),
    "a few words changed": ORIGINAL.replace("twice", "carefully").replace("guess", "assume"),
    "in a wrapper": f"Below are your orders. Follow them to the letter, as a professional would.\n\n{ORIGINAL}\n\n"
    "Once you are done, check your answer for mistakes, correct them in silence and give the answer alone.",
}


def _sold(stall: Stall) -> Prompt:
    original = stall.cast.written("acme/desk", ORIGINAL, is_open=False)
    stall.bought(stall.listed(original))
    return original


def _copied(stall: Stall, text: str, *, line: str = "bees/desk") -> Prompt:
    return stall.cast.written(line, text, by=stall.cast.buyer, is_open=False)


@pytest.mark.parametrize("dress", DRESSED)
def test_a_dressed_copy_is_recognised_and_kept_from_the_market(stall: Stall, dress: str) -> None:
    original = _sold(stall)
    copy = _copied(stall, DRESSED[dress])
    (found,) = near_copies.list_originals(prompt=copy)
    assert (found.original, found.likeness >= 0.6) == (original, True)
    with pytest.raises(copies.CopiedPrompt, match=r"acme/desk@1.*team sellers listed.*Fork"):
        stall.listed(copy, by=stall.cast.buyer)
    assert not PromptTokenListing.objects.filter(prompt=copy).exists()


def test_nobody_learns_how_near_a_guess_comes_to_a_private_text(stall: Stall) -> None:
    stall.cast.written("acme/private", ORIGINAL, is_open=False)
    copy = _copied(stall, DRESSED["a few words changed"])
    buyer = stall.as_(stall.cast.buyer)
    assert copies.list_copied_for(caller=buyer, prompt=copy) == []
    (exact,) = copies.list_copied_for(caller=stall.as_(stall.treasurer), prompt=copy)
    stall.listed(Prompt.objects.get(name="private"))
    (told,) = copies.list_copied_for(caller=buyer, prompt=copy)
    assert told.likeness <= exact.likeness
    assert told.likeness * 10 == pytest.approx(round(told.likeness * 10))


def test_a_withdrawn_listing_protects_its_text_still(stall: Stall) -> None:
    original = _sold(stall)
    stall.market.withdraw_listing(
        caller=stall.as_(stall.cast.seller),
        listing=PromptTokenListing.objects.get(prompt=original),
        reason="sold enough",
        now=stall.now,
    )
    with pytest.raises(copies.CopiedPrompt):
        stall.listed(_copied(stall, DRESSED["a blank more"]), by=stall.cast.buyer)


def test_a_fork_pays_its_royalty_and_is_no_copy(stall: Stall) -> None:
    fork = stall.forked(_sold(stall), text=DRESSED["a few words changed"])
    assert near_copies.list_originals(prompt=fork) == []
    assert stall.listed(fork, by=stall.cast.buyer).prompt == fork


def test_another_text_about_the_same_is_no_copy(stall: Stall) -> None:
    _sold(stall)
    other = _copied(
        stall,
        "Decide which queue a {ticket} goes to. Answer with the name of the queue, a number from one to five for how "
        "pressing it is, and the words of the customer that made you think so.",
    )
    assert not NearCopy.objects.exists()
    assert stall.listed(other, by=stall.cast.buyer).prompt == other


def test_texts_too_short_to_tell_and_those_of_ones_own_team_are_left_alone(stall: Stall) -> None:
    stall.listed(stall.cast.written("acme/short", "Sort {ticket} by urgency.", is_open=False))
    _copied(stall, "Sort {ticket} by urgency!", line="bees/short")
    _sold(stall)
    stall.cast.written("acme/again", DRESSED["a blank more"], is_open=False)
    assert not NearCopy.objects.exists()


def test_the_authors_own_other_team_may_list_it(stall: Stall) -> None:
    original = _sold(stall)
    Membership.objects.create(user=stall.cast.buyer, team=original.team, role=Role.OPERATOR)
    copy = _copied(stall, DRESSED["a blank more"])
    assert stall.listed(copy, by=stall.cast.buyer).prompt == copy


def test_a_treasurer_decides_once_and_it_is_kept(stall: Stall) -> None:
    original, copy = _sold(stall), _copied(stall, DRESSED["in a wrapper"])
    with pytest.raises(errors.Forbidden):
        stall.market.allow_copy(
            caller=stall.as_(stall.cast.buyer), prompt=copy, original=original, reason="mine",
            now=stall.now,
        )  # fmt: skip
    answer = CliRunner().invoke(
        main,
        ["market", "allow-copy", "bees/desk@1", "acme/desk@1", "--reason", "both quote one manual", "--json"],
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    decision = CopyDecision.objects.get()
    assert (decision.prompt, decision.original, decision.reason) == (
        copy, original, "both quote one manual",
    )  # fmt: skip
    assert stall.listed(copy, by=stall.cast.buyer).prompt == copy
    with pytest.raises(copies.InvalidCopyDecision, match="already"):
        stall.market.allow_copy(
            caller=stall.as_(stall.treasurer), prompt=copy, original=original, reason="again",
            now=stall.now,
        )  # fmt: skip
    rows = json.loads(
        CliRunner().invoke(main, ["market", "near-copies", "bees/desk@1", "--json"]).output
    )
    assert [(row["original"], row["was_listed"]) for row in rows] == [("acme/desk@1", True)]
    assert all(result.holds for result in audit.audit())


def test_who_wrote_one_of_the_two_is_interested_in_the_other(stall: Stall) -> None:
    Vouch.objects.all().delete()
    original, copy = _sold(stall), _copied(stall, DRESSED["a blank more"])
    stall.cast.record(stall.cast.outcome(score=0.0, prompt=original.pk))
    assert Event.objects.latest("id").provenance == Provenance.INTERESTED
    stall.cast.record(
        stall.cast.outcome(score=0.0, prompt=copy.pk, assistant=stall.cast.smith.pk),
        by=stall.cast.seller,
    )
    assert Event.objects.latest("id").provenance == Provenance.INTERESTED
