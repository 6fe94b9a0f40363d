"""Dask, which not everybody has installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from testbed.errors import HostError


@contextmanager
def dask() -> Iterator[None]:
    """Around an import that needs it: it is an extra, all else works without it. Raises HostError."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise HostError(f"the module {missing.name} is missing", "pip install '.[cluster]'") from missing
