"""Settings of all tests."""

from __future__ import annotations

import os
import sys

import hypothesis
import pytest

os.environ.setdefault("CUTAWAY_AHEAD", "off")  # what a test computes does not depend on what ran before it

# The same examples on every run and machine: a red run can be repeated. `--hypothesis-profile=explore` searches anew.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None, max_examples=60, database=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("steady")


@pytest.fixture(autouse=True, scope="module")
def no_one_is_asked_afterwards():
    """A class with a `__torch_function__` that a test defines changes how functions begin, for the tests of its file alone."""
    yield
    entries = sys.modules.get("cutaway.core.overriding.entries")
    if entries is not None:
        entries.remove()
