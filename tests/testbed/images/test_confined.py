"""Programs in a root tree have no way out of it, whether they are started by root or by an ordinary user."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed.images.confined import confined
from testbed.images.namespace import alone, run_inside
from workloads.service_a import database
from workloads.service_c import database as service_c


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What tests/support/confined_probe.py has seen."""
    if subprocess.run([*alone(), "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespaces here")
    folder = tmp_path_factory.mktemp("confined")
    (folder / "secret").write_text("the host's")
    answer = folder / "answer.json"
    run_inside("tests.support.confined_probe", [folder / "secret", answer], log=folder / "log", timeout=60)
    seen: dict[str, Any] = json.loads(answer.read_text())
    return seen


def part(found: dict[str, Any], name: str) -> list[str]:
    text: str = found["look"].partition(f"-- {name}\n")[2].partition("\n-- ")[0]
    return text.split("\n")


def test_it_is_an_ordinary_user_who_can_become_no_other(found: dict[str, Any]) -> None:
    first = found["look"].split("\n")
    assert first[:2] == ["1234", "1234"]
    capabilities = dict(line.split(":\t") for line in first[2:8])
    assert capabilities == {**dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16),
                            "NoNewPrivs": "1"}  # fmt: skip


def test_the_root_of_its_first_process_is_the_tree(found: dict[str, Any]) -> None:
    assert part(found, "root") == ["bin", "dev", "etc", "lib", "lib64", "proc", "sbin", "tmp", "usr"]
    assert "No such file or directory" in found["out"]


def test_it_sees_no_process_but_its_own(found: dict[str, Any]) -> None:
    assert 1 <= len(part(found, "processes")) <= 4


def test_it_has_the_devices_that_it_needs_and_no_other(found: dict[str, Any]) -> None:
    assert part(found, "devices") == ["null", "random", "urandom", "zero"]
    assert found["devices work"].split() == ["4", "4"]


def test_it_has_no_network_and_no_sockets_of_the_host(found: dict[str, Any]) -> None:
    lines = part(found, "network")
    assert [line.split(":")[0].strip() for line in lines if ":" in line and "Ref" not in line] == ["lo"]
    assert lines[-1].startswith("Num")


def test_nothing_that_it_holds_leads_to_the_host(found: dict[str, Any]) -> None:
    links = [line.rpartition(" -> ")[2] for line in part(found, "files") if " -> " in line]
    assert [link for link in links if not link.startswith(("pipe:", "/proc/")) and link != "/"] == []
    assert part(found, "files")[-1] == "/"
    points = {line.split()[4] for line in part(found, "mounts") if line}
    assert points <= {"/", "/proc", "/usr", *(f"/dev/{name}" for name in ("null", "zero", "random", "urandom"))}


def test_it_knows_nothing_of_our_environment(found: dict[str, Any]) -> None:
    names = {line.split("=")[0] for line in part(found, "environment")}
    assert names <= {"HOME", "SHELL", "USER", "LOGNAME", "PATH", "PWD", "OLDPWD", "TERM", "SHLVL", "_"}


def test_it_is_barred_from_the_ways_out(found: dict[str, Any]) -> None:
    assert [way for way, barred in found["barred"].items() if not barred] == []


def test_what_it_is_fed_with_arrives_and_what_it_answers_too(found: dict[str, Any]) -> None:
    assert (found["echo"], found["put out"]) == ("said\n", "b\nb\n")
    assert (found["fed"], found["fed bytes"]) == ("", 100_001)


def test_a_program_that_fails_is_an_error_with_its_words(found: dict[str, Any]) -> None:
    assert "exit code 3" in found["fed in vain"] and "    why" in found["fed in vain"]
    assert found["fed by a failure"] == "the first of two fails"
    assert "exit code 3" in found["put out in vain"]


def test_a_server_is_ended_in_order_and_heard_if_it_does_not_start(found: dict[str, Any]) -> None:
    listens, failed = found["server"]
    assert listens == "listens"
    assert "it did not start" in failed and "why" in failed


def test_no_program_outlives_what_started_it(found: dict[str, Any]) -> None:
    assert (found["killed"], found["left by an error"]) == ([], [])


def test_the_command_line_is_words_and_the_tree_is_its_root() -> None:
    words = confined(Path("/a tree"), "mysql", "mariadb", "--batch")
    assert words[-2:] == ["mariadb", "--batch"]
    assert "--root=/a tree" in words and words.index("/usr/bin/setpriv") < words.index("--no-new-privs")
    assert {"--pid", "--mount", "--net", "--ipc", "--mount-proc"} < set(words[: words.index("/usr/bin/setpriv")])


@pytest.mark.parametrize("command", [database.CLIENT, service_c.ASK_MARIADB], ids=["service A", "service C"])
def test_the_client_obeys_no_commands_of_its_own_and_reads_no_files(command: tuple[str, ...]) -> None:
    assert {"--batch", "--binary-mode", "--loose-sandbox", "--skip-local-infile"} < set(command)


def test_the_server_reads_files_of_one_folder_alone() -> None:
    assert {f"--secure-file-priv={database.ROWS}", "--skip-local-infile"} == set(database.CLOSED)
