"""Command lines of run.py in tests: the folders of the test, for the command that uses them."""

from pathlib import Path

from experiment.commandline import BY_COMMAND, split
from testbed.errors import UsageError


def in_folders(words: list[str] | tuple[str, ...], **places: Path) -> list[str]:
    """``words`` behind those of ``places`` (results, cache, config) that their command uses."""
    try:
        uses = split(words)[0].uses
    except UsageError:  # which is what is tested
        uses = BY_COMMAND[""].uses
    return [*(word for name, path in places.items() if name in uses for word in (f"--{name}", str(path))), *words]
