"""One thread a worker, and the tests of a group on one worker.

pytest reads this file before it imports a module of `src` or `tests`, and therefore before torch is imported.
"""

import functools
import gc
import os
import re
from pathlib import Path

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # MKL takes the first
    os.environ.setdefault(name, "1")  # workers and the processes that tests start inherit it

GROUP = re.compile(r"^pytestmark = pytest\.mark\.xdist_group\(\"(\w+)\"\)", re.MULTILINE)


@functools.cache
def group_of(file: str) -> str | None:
    """Return the group that a file of tests names, None if it names none."""
    path = Path(__file__).parent / file
    found = GROUP.search(path.read_text(encoding="utf-8")) if path.suffix == ".py" else None
    return found and found[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give the tests of a group to one worker, the largest groups first, and any other test to whoever is free.

    xdist's own `loadgroup` writes the group into a private field of a test, which pytest 9.2 no longer reads: groups
    fall apart there, and each worker trains what a group shares.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid.partition("::")[0]) or nodeid

    return ByGroup(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_finish(session):
    """Spare the garbage collector what lives until the end: the tests and the modules of all of them."""
    gc.collect()
    gc.freeze()
