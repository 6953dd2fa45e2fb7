"""Settings of the engine's tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def as_many_threads_as_asked_for(monkeypatch):
    """On a busy machine, too: a run that had to wait says nothing of the next ones."""
    try:
        from cutaway.engine.threads import workers
    except ImportError:  # without llvmlite there are no threads
        return
    monkeypatch.setattr(workers, "WAITED", float("inf"))
    if workers._pool is not None:  # what an earlier test's runs had to wait for
        monkeypatch.setattr(workers._pool, "company", workers.Company())
