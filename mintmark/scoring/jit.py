"""Compile a kernel when numba is installed (the extra `fast`), else leave it as it is.

A kernel is written in the part of Python that means the same to both: explicit loops, IEEE
doubles, `math` functions, no reductions whose order a library may choose. So neither `fastmath`
nor `parallel` is ever passed here: the bits of a score must not depend on what is installed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

try:
    import numba
except ImportError:
    IS_COMPILED = False
else:
    IS_COMPILED = True

_CORE = Path(__file__).parent


def _find_cache_folder() -> str:
    """The folder for compiled kernels of exactly these sources.

    numba notices a change in a kernel's own file, not in a function of another file that it calls; an old compiled
    kernel would then keep using old formulas.
    """
    sources = hashlib.sha256()
    for file in sorted(_CORE.glob("*.py")):
        sources.update(file.read_bytes())
    return str(_CORE / "__pycache__" / f"kernels-{sources.hexdigest()[:16]}")


CACHE_FOLDER = _find_cache_folder()


def njit[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Return `function` compiled on first call, its plain form kept as `.py_func`."""
    if not IS_COMPILED:
        function.py_func = function  # type: ignore[attr-defined]
        return function
    config: Any = numba.config
    configured = config.CACHE_DIR
    config.CACHE_DIR = configured or CACHE_FOLDER
    try:
        compiled: Any = numba.njit(cache=True)(function)
    except RuntimeError:
        # Neither that folder nor the user's cache folder can be written.
        compiled = numba.njit(function)
    finally:
        config.CACHE_DIR = configured
    return cast("Callable[P, R]", compiled)


def get_interpreted[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Return the interpreted form of a kernel, to compare it with the compiled one."""
    return cast("Callable[P, R]", cast("Any", function).py_func)
