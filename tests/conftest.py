"""What every test is told of, and cleared up behind."""

from collections.abc import Iterator

import pytest

from testbed import ledger


@pytest.fixture(autouse=True)
def no_ledger_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """A process has one ledger, of one cache: a test that calls run.py begins one. Those with a guest keep it."""
    yield
    if ledger._current and not request.node.get_closest_marker("guest"):
        ledger._current.close()
        ledger._current = None
