"""The user's settings of other programs change no result, and end nothing with a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_run import write_run

from testbed.environment import of_ours
from testbed.process import PROJECT

FOREIGN = {
    "PYTHONPATH": "{folder}/shadows",
    "PYTHONHOME": "/nowhere",
    "PYTHONSTARTUP": "{folder}/startup.py",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONHASHSEED": "12",
    "PYTHONUSERBASE": "{folder}",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONTRACEMALLOC": "1",
    "PYTHONINSPECT": "1",
    "PYTHONBREAKPOINT": "nonsense",
    "PIP_TARGET": "{folder}",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "VIRTUAL_ENV": "/nowhere",
    "MPLBACKEND": "nonsense",
    "MPLCONFIGDIR": "{folder}",
    "MATPLOTLIBRC": "{folder}/matplotlibrc",
    "JUPYTER_PATH": "{folder}",
    "JUPYTER_CONFIG_DIR": "{folder}",
    "IPYTHONDIR": "{folder}",
    "GIT_DIR": "{folder}/other",
    "GIT_WORK_TREE": "/",
    "GIT_INDEX_FILE": "/nowhere",
    "MAKEFLAGS": "--nonsense",
    "CFLAGS": "-nonsense",
    "CC": "nonsense",
    "APT_CONFIG": "/nowhere",
    "TAR_OPTIONS": "--nonsense",
    "BASH_ENV": "/nowhere",
    "MKE2FS_CONFIG": "/nowhere",
    "SOURCE_DATE_EPOCH": "1",
    "LANG": "de_DE.ISO-8859-1",
    "LC_ALL": "C",
    "LANGUAGE": "de",
}
REACHING = {"PATH": "/bin", "HOME": "/root", "TMPDIR": "/tmp", "https_proxy": "http://127.0.0.1:9", "NO_COLOR": "1"}


def test_what_reaches_things_stays_and_the_rest_goes() -> None:
    ours = of_ours({**REACHING, **FOREIGN})
    assert REACHING.items() <= ours.items()
    assert [name for name in FOREIGN if ours.get(name) == FOREIGN[name]] == ["LANG"], "LC_ALL goes before it"
    assert of_ours(ours) == ours


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the foreign settings name: each would end or change what reads it."""
    (tmp_path / "shadows").mkdir()
    for module in ("pandas", "pydantic", "experiment", "testbed"):
        (tmp_path / "shadows" / f"{module}.py").write_text("raise SystemExit('a shadow')\n")
    (tmp_path / "matplotlibrc").write_text("font.size: 40\nbackend: nonsense\n")
    subprocess.run(["git", "init", "-q", tmp_path / "other"], check=True)
    return tmp_path


def said(words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, PROJECT / "run.py", *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.whole
@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONWARNINGS", "PYTHONINSPECT", "GIT_DIR", "LC_ALL"])
def test_a_foreign_setting_changes_nothing(name: str, folder: Path) -> None:
    usual = {**os.environ, "COLUMNS": "120"}
    words = ["--dry-run", "--quick"]
    assert said(words, usual | {name: FOREIGN[name].format(folder=folder)}) == said(words, usual)


@pytest.mark.whole
def test_all_of_them_together_draw_the_same(folder: Path) -> None:
    """But for PYTHONHOME, which ends the Python that would read this program; make unsets it."""
    foreign = {name: value.format(folder=folder) for name, value in FOREIGN.items() if name != "PYTHONHOME"}
    drawn = []
    for name, more in (("usual", {}), ("foreign", foreign)):
        results = folder / name
        write_run(results / "one", ("baseline", "working-set"), 2)
        said(["report", "one", "--results", str(results)], {**os.environ, **more})
        files = sorted(path for path in results.rglob("*") if path.is_file())
        drawn.append({str(path.relative_to(results)): path.read_bytes() for path in files})
    assert any(file.endswith(".svg") for file in drawn[0])
    assert drawn[0] == drawn[1]
