"""The section [dataset] of experiments.toml."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from testbed.section import Limit, Section


def with_host(address: str) -> str:
    """``address`` if its host can be looked up at all. Raises ValueError."""
    try:
        host = urlsplit(address).hostname
        if host and host.encode("idna"):
            return address
    except (ValueError, UnicodeError):
        pass
    raise ValueError("expected an address with a host, such as https://github.com/OWNER/NAME")


class DatasetSettings(Section):
    """Which source the rows come from, and what each source needs.

    ``auto`` takes ``path`` if it is set, else the download if it answers in time, else the generator.

    ``path``: a checkout, or an archive of one; "" is none. ``commit``: all 40 hex digits. ``timeout_s``: how long a
    download may keep silent. ``seed``: of the generator.
    """

    source: Literal["auto", "path", "download", "synthetic"]
    path: str
    repository: Annotated[str, Field(pattern=r"^https?://[!-~]+$"), AfterValidator(with_host)]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    timeout_s: Limit
    seed: Annotated[int, Field(ge=0)]

    @property
    def is_path(self) -> bool:
        """Whether the rows come from ``path``, which is to be set then."""
        return self.source == "path" or (self.source == "auto" and bool(self.path))

    @property
    def place(self) -> Path:
        """Where ``path`` leads. Raises RuntimeError for the home folder of a user who is not there."""
        return Path(self.path).expanduser()
