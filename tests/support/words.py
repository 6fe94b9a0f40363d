"""Command lines of run.py in tests: the folders of the test, for the command that uses them."""

from collections.abc import Sequence
from pathlib import Path

from experiment.commandline import BY_COMMAND


def in_folders(words: Sequence[str], **places: Path) -> list[str]:
    """``words`` behind those of ``places`` (results, cache, config) that their command uses."""
    command = BY_COMMAND[next((word for word in words if word in BY_COMMAND), "")]
    used = {name: path for name, path in places.items() if name in command.uses}
    return [*(word for name, path in used.items() for word in (f"--{name}", str(path))), *words]
