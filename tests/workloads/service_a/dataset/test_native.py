"""The image's own MariaDB, natively, given rows and attacks; no guest is booted."""

import json
from typing import Any

import dumps
import pytest
from dumps import FEW
from native_attacks import MARK
from short_run import CACHE, FORKS

from configuration.load import load
from testbed.cache import Cache
from testbed.images.image import root_stage
from testbed.images.namespace import run_inside
from testbed.process import PROJECT
from workloads.service_a.dataset.published import read_folder

pytestmark = FORKS


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of FEW, loaded as rows of unknown origin, and of the attacks, loaded as the public repository's."""
    host = tmp_path_factory.mktemp("host")
    (host / "secret").write_text("d998\tsecret\n")
    (host / "rows").mkdir()
    real = host / "real"
    real.mkdir()
    for name, content in dumps.checkout().items():
        (real / name).write_bytes(content)
    names = read_folder(real, "path", "real").write(host / "rows")
    assert len(names) == len(FEW)
    root = root_stage(Cache(CACHE), load(PROJECT / "experiments.toml").guest.suite)
    answer = host / "answer.json"
    run_inside("tests.support.native_attacks", [root / "root.tar", host, answer], log=host / "log", timeout=120)
    seen: dict[str, Any] = json.loads(answer.read_text())
    seen["on the host"] = [str(path) for path in host.rglob(MARK)]
    return seen


def test_rows_of_unknown_origin_are_loaded(found: dict[str, Any]) -> None:
    assert found["loaded"] == str(len(FEW["titles"]) * len(FEW["salaries"]))


def test_no_attack_makes_a_file_in_the_tree_or_on_the_host(found: dict[str, Any]) -> None:
    assert (found["made"], found["on the host"]) == ([], [])


def test_no_attack_is_obeyed(found: dict[str, Any]) -> None:
    taken = {name for name, answer in found["answers"].items() if not answer}
    assert taken == set()
    for name, answer in found["answers"].items():
        assert "ERROR" in answer, name


def test_no_attack_reads_a_file(found: dict[str, Any]) -> None:
    tables = found["database"].splitlines()
    assert sorted(tables) == sorted(FEW)
