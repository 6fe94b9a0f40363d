"""The package as it is installed elsewhere: complete, with programs that run, and away from the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.process import PROJECT

pytestmark = pytest.mark.whole

# What a wheel must not be short of, and what has no place in it.
SHIPPED = (
    "run.py",
    "testbed/domain.xml.j2",
    "workloads/service_a/dataset/__init__.py",
    "workloads/alpha/build/alpha",
    "measure/build/sampler",
    "prefetch/build/prefetchd",
    "prefetch/build/prefetchctl",
    "prefetch/build/toucher",
    "peers/build/peerd",
    "analysis/judgements/paper.toml",
    "configuration/experiments.toml",
    "analysis/report/page.html.j2",
    "analysis/report/style.css",
    "analysis/review.ipynb",
)
STRANGE = ("*.a", "*.d", "*.o", "test_*", "fuzz_*", "*.jsonl")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, built from a copy of the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "tree"
    ignored = shutil.ignore_patterns(".*", "results", "*.egg-info", "__pycache__")
    shutil.copytree(PROJECT, copy, ignore=ignored)
    shutil.rmtree(copy / "build", ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, copy], check=True)
    (wheel,) = folder.glob("*.whl")
    assert not wheel.name.endswith("-any.whl"), "it has programs of one architecture"
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
    return folder / "site"


# As bin/container-paging does, but for the package's place, which there is that of its Python.
PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); import run; sys.exit(run.main(sys.argv[1:]))"


def run(installed: Path, cwd: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "PAGING_CACHE": "",
        "PYTHONPATH": str(installed),
        "HOME": str(cwd),
        "XDG_CACHE_HOME": str(cwd / "caches"),
    }
    assert (installed / "bin" / "container-paging").is_file()
    command = [sys.executable, "-c", PROGRAM, str(installed), *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_everything_is_there_and_nothing_else(installed: Path) -> None:
    for name in SHIPPED:
        assert (installed / name).is_file(), name
    for pattern in STRANGE:
        assert [str(path) for path in installed.rglob(pattern) if path.is_file()] == []
    assert os.access(installed / "prefetch" / "build" / "prefetchd", os.X_OK)


def test_the_command_works_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "30 cells of about" in done.stdout
    assert str(PROJECT) not in done.stdout + done.stderr
    shown = run(installed, tmp_path, "--help")
    assert shown.returncode == 0
    assert not (tmp_path / "results").exists(), "nothing is made by looking"
    assert not (tmp_path / "caches" / "container-paging").exists()
    growth = run(installed, tmp_path, "bench", "growth", "--cells", "10")
    assert growth.returncode == 2
    assert "way out: a checkout has one" in growth.stderr


def test_results_and_cache_go_where_such_things_go(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "report", "latest")
    assert done.returncode == 2
    assert f"there is no run 'latest' in {tmp_path / 'results'}" in done.stderr
    done = run(installed, tmp_path, "clean", "--images", "--dry-run")
    assert done.returncode == 0, done.stderr
