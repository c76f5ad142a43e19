"""What stands is built once, is copied for each test, and goes when another world is asked for."""

import pytest

from mintmark.accounts.models import Team
from tests.factories.cast import Cast
from tests.standing import Stack

pytestmark = pytest.mark.django_db


class Built:
    """Worlds of one team each, and how often each was built."""

    def __init__(self) -> None:
        self.stack, self.times = Stack(), dict.fromkeys(("ground", "house", "tent"), 0)

    def asked(self, *names: str) -> list[list[Team]]:
        """What a test gets that asks for these, each built upon the one before."""
        self.stack.begin(folds=False)
        given = [self.stack.give(name, lambda name=name: self._build(name)) for name in names]
        self.stack.end()
        return given

    def _build(self, name: str) -> list[Team]:
        self.times[name] += 1
        return [Team.objects.create(name=name)]


def _there() -> set[str]:
    return set(Team.objects.values_list("name", flat=True))


def test_a_world_is_built_once_and_each_test_gets_a_copy() -> None:
    built = Built()
    (first,) = built.asked("ground")
    first[0].name = "changed"
    first.clear()
    (second,) = built.asked("ground")
    assert [team.name for team in second] == ["ground"]
    assert built.times["ground"] == 1


def test_a_world_that_is_not_asked_for_goes_and_what_it_was_built_upon_stays() -> None:
    built = Built()
    built.asked("ground", "house")
    assert _there() == {"ground", "house"}
    built.asked("ground", "tent")
    assert _there() == {"ground", "tent"}
    built.asked("ground")
    assert _there() == {"ground"}
    built.asked()
    assert _there() == set()
    assert built.times == {"ground": 1, "house": 1, "tent": 1}


def test_copies_of_one_test_share_what_their_worlds_share() -> None:
    stack = Stack()
    stack.begin(folds=False)
    ground = stack.give("ground", lambda: {"team": Team.objects.create(name="ground")})
    house = stack.give("house", lambda: {"below": stack.original("ground")})
    stack.end()
    assert house["below"] is ground
    stack.shrink(0)


@pytest.mark.parametrize("name", ["seller", "renamed"])
def test_what_a_test_does_in_a_world_is_gone_for_the_next(built_cast: Cast, name: str) -> None:
    assert built_cast.seller.username == "seller"
    built_cast.seller.refresh_from_db()
    assert built_cast.seller.username == "seller"
    built_cast.seller.username = name
    built_cast.seller.save()
