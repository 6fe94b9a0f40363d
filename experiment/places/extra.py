"""Dask, which not everybody has installed, and which reads settings of the user's when it is imported."""

from collections.abc import Iterator
from contextlib import contextmanager

from testbed.errors import HostError, printable


@contextmanager
def dask() -> Iterator[None]:
    """Around an import that needs it: it is an extra, all else works without it.

    Raises HostError if it is not there, or finds settings that it cannot read
    (https://docs.dask.org/en/stable/configuration.html).
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        raise HostError(f"the module {missing.name} is missing", "pip install '.[cluster]'") from missing
    except (OSError, ValueError, TypeError) as error:
        what = printable(str(error)).replace("\n", " ")[:300]
        raise HostError(f"Dask cannot read its own settings: {what}", "mend that file, or unset DASK_CONFIG") from error
