"""What differs between two configurations, as far as the cells of a run could tell. Pure."""

from collections.abc import Mapping
from typing import Any

from configuration.load import HOST, Configuration

# Which cells there are is the run's own plan; accelerator and dataset are compared as what they turned out to be.
NOT_COMPARED = ("run", "suite", *HOST)
ABSENT = "(not there)"


def differences(before: Configuration, now: Configuration) -> list[str]:
    """A line ``key: value before -> value now`` for every key that changed."""
    old, new = flat(before.model_dump(mode="json")), flat(now.model_dump(mode="json"))
    keys = [key for key in {**old, **new} if key.partition(".")[0] not in NOT_COMPARED]
    return [f"{key}: {old.get(key, ABSENT)} -> {new.get(key, ABSENT)}" for key in keys if old.get(key) != new.get(key)]


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Nested mappings as one, its keys joined by dots, its values as TOML would show them, nearly."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = repr(value)
    return found
