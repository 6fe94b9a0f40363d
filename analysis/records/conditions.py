"""Which conditions have a part of their own, what each is compared with, and the order in which they are shown."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

BASELINE = "baseline"
AGAIN = "baseline-again"  # the baseline under another name: the A/A comparison
CIRCUMSTANCES = (
    "topology", "service", "httpd_processes", "pressure", "alpha_mib", "before_request_s", "disk_iops",
)  # fmt: skip
FIRST = ("figure1", BASELINE, AGAIN)


def ordered_conditions(cells: pd.DataFrame) -> list[str]:
    """Every condition once: the paper's, the baseline, then by name, 4 before 16 (a plan is shuffled)."""
    names = set(cells["condition"])
    return [*(name for name in FIRST if name in names), *sorted(names - set(FIRST), key=_natural)]


def settings_of(values: Mapping[str, Any], condition: str) -> Mapping[str, Any]:
    """A condition's table of the run's configuration; {} where there is none."""
    conditions = values.get("condition")
    found = conditions.get(condition) if isinstance(conditions, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def compared(values: Mapping[str, Any], planned: Iterable[str]) -> dict[str, str]:
    """What each planned condition is compared with: what its ``against`` names, else the baseline.

    A condition whose counterpart was not planned has none, and neither has the baseline.
    """
    names = list(dict.fromkeys(planned))
    against = {name: str(settings_of(values, name).get("against", BASELINE)) for name in names}
    return {name: other for name, other in against.items() if other != name and other in against}


def circumstances(values: Mapping[str, Any], condition: str) -> tuple[str, ...]:
    """What a condition is put into, whatever the mechanism that it tries: only within the same is there a best one."""
    settings = settings_of(values, condition)
    return tuple(str(settings.get(key)) for key in CIRCUMSTANCES)


def skipped(cells: pd.DataFrame) -> dict[str, str]:
    """The conditions that the guest could not be put into, with the reason; ``cells`` as in ``frames.cells``."""
    found: dict[str, str] = {}
    for condition, mine in cells[cells["state"] == "skipped"].groupby("condition", sort=False):
        reason = "; ".join(dict.fromkeys(mine["reason"]))
        ran = int((cells["condition"] == condition).sum() - len(mine))
        found[str(condition)] = f"{reason} ({len(mine)} of {len(mine) + ran} cells)" if ran else reason
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
