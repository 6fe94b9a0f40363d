"""What set-up makes of a virtual environment that was interrupted, upgraded or half removed, and of odd names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.process import PROJECT

pytestmark = pytest.mark.whole

SCRIPT = PROJECT / "testbed" / "setup" / "python_packages.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "venv"
    subprocess.run([sys.executable, "-I", "-m", "venv", str(folder)], check=True)
    return folder


@pytest.fixture
def environment(made: Path, tmp_path: Path) -> Path:
    """A virtual environment of one's own; one that was copied works, too."""
    return Path(shutil.copytree(made, tmp_path / "venv", symlinks=True))


def check(environment: Path, **more: str) -> tuple[int, str]:
    command = [str(environment / "bin" / "python"), "-I", str(SCRIPT), "--check"]
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def site(environment: Path) -> Path:
    (found,) = environment.glob("lib/python3.*/site-packages")
    return found


def test_a_whole_one_is_kept(environment: Path) -> None:
    assert check(environment) == (0, "")
    assert check(environment, PYTHONHOME="/nowhere", PIP_TARGET="/nowhere", PYTHONPATH="/nowhere") == (0, "")


def test_one_that_was_interrupted_is_made_anew(environment: Path) -> None:
    for path in site(environment).glob("pip*"):
        shutil.rmtree(path)
    assert check(environment) == (1, "setup: the virtual environment is not whole: it has no pip\n")


def test_one_of_an_earlier_python_is_made_anew(environment: Path) -> None:
    settings = environment / "pyvenv.cfg"
    lines = [line for line in settings.read_text().splitlines() if not line.startswith("version")]
    settings.write_text("\n".join([*lines, "version = 3.9.2"]) + "\n")
    code, said = check(environment)
    assert (code, said) == (1, "setup: the virtual environment is not whole: it was made by Python 3.9.2\n")


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("")])
def test_one_that_was_half_removed_is_made_anew(damage: object, environment: Path) -> None:
    damage(site(environment) / "pip" / "_internal" / "main.py")  # type: ignore[operator]
    code, said = check(environment)
    assert code == 1
    assert "pip/_internal/main.py of pip is gone or changed" in said


@pytest.mark.parametrize("name", ["d$x q'uote(p)", '-"#%*&;`ünï\\t'])
def test_make_knows_its_way_in_a_folder_of_any_name(name: str, tmp_path: Path) -> None:
    """Without a run bit on any file, and with flags in the environment that no compiler knows."""
    folder = tmp_path / name
    for part in ("guest_c", "workloads"):
        shutil.copytree(PROJECT / part, folder / part, ignore=shutil.ignore_patterns("build", "__pycache__"))
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    environment = {**os.environ, "CFLAGS": "-nonsense", "CC": "nonsense"}
    subprocess.run(["make", "-s", "-C", folder / "workloads" / "alpha", "all"], check=True, env=environment)
    assert os.access(folder / "workloads" / "alpha" / "build" / "alpha", os.X_OK)


def test_flags_of_ones_own_lose_nothing_that_the_code_needs(tmp_path: Path) -> None:
    for part in ("guest_c", "workloads"):
        shutil.copytree(PROJECT / part, tmp_path / part, ignore=shutil.ignore_patterns("build", "__pycache__"))
    subprocess.run(["make", "-s", "-C", tmp_path / "workloads" / "alpha", "CFLAGS=-O1", "all"], check=True)
