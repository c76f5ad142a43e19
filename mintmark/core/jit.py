"""Compile a kernel when numba is installed (the extra `fast`), else leave it as it is.

A kernel is written in the part of Python that means the same to both: explicit loops, IEEE
doubles, `math` functions, no reductions whose order a library may choose. So neither `fastmath`
nor `parallel` is ever passed here: the bits of a score must not depend on what is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

try:
    import numba
except ImportError:
    COMPILED = False
else:
    COMPILED = True


def njit[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Return `function` compiled on first call, its plain form kept as `.py_func`."""
    if not COMPILED:
        function.py_func = function  # type: ignore[attr-defined]
        return function
    try:
        compiled: Any = numba.njit(cache=True)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache folder can be written.
        compiled = numba.njit(function)
    return cast("Callable[P, R]", compiled)


def plain[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Return the interpreted form of a kernel, to compare it with the compiled one."""
    return cast("Callable[P, R]", cast("Any", function).py_func)
