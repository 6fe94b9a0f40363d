"""What each command makes of hostile runs: a line, or a result; nothing of the run is run, and nothing lies outside it.

Long: PAGING_SURVIVAL asks for all, make test takes a few of each.
"""

import os
import re
from pathlib import Path

import pytest
from fake_run import write_run
from hostile_runs import hostile, nothing_outside
from words import in_folders

import run
from experiment import needs
from experiment.commands import reproduce, shell
from testbed.errors import CellError, HostError
from testbed.process import PROJECT

pytestmark = pytest.mark.whole

RUNS = 30 if os.environ.get("PAGING_SURVIVAL") else 2
HERE = "here a guest would start"
RESUMABLE = re.compile(r"(?m)^resamples = \d+$")


def no_guest(*_: object, **__: object) -> object:
    raise CellError(HERE)


COMMANDS: dict[str, tuple[list[str], int]] = {
    "report": (["report", "one"], 0),
    "findings": (["findings", "one"], 1),
    "compare": (["compare", "good", "one", "--summary", "-"], 2),
    "pack": (["pack", "one", "packed"], 3),
    "console": (["console", "one", "01-baseline"], 4),
    "notebook": (["notebook", "one"], 5),
    "resume": (["--resume", "one"], 6),
    "shell": (["shell", "01-baseline", "--run", "one"], 7),
    "like": (["--like", "one"], 8),
}


@pytest.mark.parametrize("number", range(RUNS))
@pytest.mark.parametrize("command", COMMANDS)
def test_a_hostile_run_is_data(
    command: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words, kind = COMMANDS[command]
    seed = 100_000 + 1000 * kind + number
    made = hostile(seed)
    text = made.files.get("configuration.toml", b"").decode(errors="replace")
    made.files["configuration.toml"] = RESUMABLE.sub("resamples = 199", text).encode(errors="replace")
    results = made.write(tmp_path).parent
    write_run(results / "good", ("baseline", "working-set"), 2)
    (results / "good" / "configuration.toml").write_text(
        RESUMABLE.sub("resamples = 199", (PROJECT / "experiments.toml").read_text())
    )
    for module, name in ((reproduce, "open_place"), (shell, "prepare")):
        monkeypatch.setattr(module, name, no_guest)
    monkeypatch.setattr(needs, "of_run", lambda *_: [])
    with nothing_outside(tmp_path):
        code = run.main(in_folders(words, results=results, cache=results / ".cache"))
    said = capfd.readouterr()
    assert code in (0, 1, 2, 3, CellError.exit_code), f"seed {seed}: {made.how}"
    shown = said.out + said.err
    assert "Traceback" not in shown, f"seed {seed}: {made.how}\n{shown}"
    assert not {char for char in shown if not char.isprintable()} - {"\n", "\t"}, f"seed {seed}: {made.how}"
    if code == CellError.exit_code:
        assert HERE in said.err
    if code in (2, HostError.exit_code):
        assert said.err.startswith("run.py: ") or "\nrun.py: " in said.err
