"""Compiled or not, the same bits."""

from types import SimpleNamespace

import pytest

from mintmark.scoring import jit, posterior


def test_a_kernel_keeps_its_plain_form_beside_the_compiled_one() -> None:
    assert jit.get_interpreted(posterior.logistic)(0.3) == posterior.logistic(0.3)


def test_an_uncompiled_function_is_its_own_plain_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "IS_COMPILED", False)

    def double(value: float) -> float:
        return 2.0 * value

    assert jit.njit(double) is double
    assert jit.get_interpreted(double) is double


def test_a_package_that_cannot_be_written_still_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "IS_COMPILED", True)
    monkeypatch.setattr(
        jit,
        "numba",
        SimpleNamespace(njit=_refusing, config=SimpleNamespace(CACHE_DIR="")),
        raising=False,
    )
    assert jit.njit(abs) is abs


def _refusing(*functions: object, **options: object) -> object:
    if options:

        def refuse(_: object) -> object:
            raise RuntimeError("cannot cache function: no locator available")

        return refuse
    return functions[0]
