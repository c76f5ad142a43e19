"""Loaded by pytest before the settings are read, so that no test touches anybody's real state.

It is named by `-p` in pyproject.toml: a conftest.py would come too late, pytest-django has read the
settings by then.
"""

import atexit
import os
import shutil
import tempfile

# What a run may be told from outside; other settings in a developer's shell stay out of it.
_FROM_OUTSIDE = {
    "MINTMARK_DATABASE_URL",
    "MINTMARK_DATA",
    "MINTMARK_REQUIRE",
    "MINTMARK_CHROMIUM",
}


def _remove(*, folder: str, made_by: int) -> None:
    # A forked child comes here too, and must leave its parent's folder alone.
    if os.getpid() == made_by:
        shutil.rmtree(folder, ignore_errors=True)


for name in [name for name in os.environ if name.startswith("MINTMARK_")]:
    if name not in _FROM_OUTSIDE:
        del os.environ[name]

_home = tempfile.mkdtemp(prefix="mintmark-tests-")
atexit.register(_remove, folder=_home, made_by=os.getpid())
os.environ["MINTMARK_HOME"] = _home
# Where the workers of a run share what is made once (tests.templates): the first process makes it.
IS_FIRST = "TESTS_TEMPLATES" not in os.environ
if IS_FIRST:
    _templates = tempfile.mkdtemp(prefix="mintmark-templates-")
    atexit.register(_remove, folder=_templates, made_by=os.getpid())
    os.environ["TESTS_TEMPLATES"] = _templates
os.environ["MINTMARK_SECRET_KEY"] = "only for tests"
# Tests ask as fast as they can; those of the quotas set their own.
os.environ["MINTMARK_API_PER_MINUTE"] = os.environ["MINTMARK_API_ANONYMOUS_PER_MINUTE"] = "0"
