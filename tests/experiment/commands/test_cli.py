"""run.py's words: help, plan, errors with their exit codes; nothing here starts a guest."""

import shutil
from pathlib import Path

import pytest
from fake_run import write_run
from words import in_folders

import run
from experiment import needs
from testbed import ledger
from testbed.cache import Cache
from testbed.ledger import notes
from testbed.process import PROJECT


def words(tmp_path: Path, *more: str) -> list[str]:
    return in_folders(more, results=tmp_path / "results", cache=tmp_path / "cache")


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--help"]) == 0
    text = capsys.readouterr().out
    for word in (
        "--quick",
        "--suite",
        "--conditions",
        "--replicates",
        "--seed",
        "--resume",
        "--dry-run",
        "doctor",
        "report",
        "bench",
    ):
        assert word in text
    assert "exit codes" in text


def test_a_dry_run_prints_the_plan_and_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(words(tmp_path, "--dry-run")) == 0
    text = capsys.readouterr().out
    assert text.count("topology") == 30
    assert "MB of results" in text
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "cache").exists()


def test_quick_is_baseline_and_working_set_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(words(tmp_path, "--quick", "--dry-run")) == 0
    text = capsys.readouterr().out
    assert text.count("topology") == 2
    assert "01-baseline" in text
    assert "01-working-set" in text


def test_a_suite_is_chosen_shown_and_overridden(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(words(tmp_path, "--dry-run")) == 0
    text = capsys.readouterr().out
    assert text.startswith("suite default: ")
    assert "suites, for --suite: default, controls, peers, disks, sweep, prefetcher" in text
    assert run.main(words(tmp_path, "--suite", "prefetcher", "--dry-run")) == 0
    text = capsys.readouterr().out
    assert text.startswith("suite prefetcher: ")
    assert text.count("topology lxc") == 56
    assert text.count("01-unpressured  topology lxc, policy off, no pressure\n") == 1
    assert text.count("08-working-set-200  topology lxc, policy working-set, 200 operations/s a disk\n") == 1
    more = ["--suite", "prefetcher", "--replicates", "2", "--dry-run"]
    assert run.main(words(tmp_path, *more)) == 0
    text = capsys.readouterr().out
    assert text.startswith("suite prefetcher, 2 instead of 8 replicates: ")
    assert text.count("topology") == 14
    assert run.main(words(tmp_path, *more, "--conditions", "unpressured,baseline")) == 0
    text = capsys.readouterr().out
    assert text.startswith("own conditions instead of those of suite prefetcher")
    assert text.count("topology") == 4
    assert run.main(words(tmp_path, "--suite", "default,disks", "--replicates", "1", "--dry-run")) == 0
    text = capsys.readouterr().out
    assert text.startswith("suite default, 1 instead of 6 replicates: ")
    assert "\nsuite disks, 1 instead of 6 replicates: " in text
    assert text.count("topology") == 12


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--conditions", "nonsense"], 2, "there is no condition 'nonsense'"),
        (["--conditions", ","], 2, "--conditions ,: no condition is named"),
        (["--replicates", "-1"], 2, "--replicates: expected 1 to 10000, not -1"),
        (["--replicates", "0"], 2, "--replicates: expected 1 to 10000, not 0"),
        (["--seed", "-1"], 2, "--seed: expected 0 to 2147483647, not -1"),
        (
            ["--suite", "nonsense"],
            2,
            "--suite: there is no suite 'nonsense'; there are default, controls, peers",
        ),
        (["--suite", "disks", "--quick"], 2, "--quick has conditions and replicates of its own"),
        (["--resume", "latest", "--suite", "prefetcher"], 2, "so --suite has no place"),
        (["--config", "/absent.toml"], 2, "No such file"),
        (["--resume", "never"], 2, "there is no run 'never'"),
        (["report", "never"], 2, "there is no run 'never'"),
        (["--resume", "latest", "--replicates", "2"], 2, "so --replicates has no place"),
        (["--resume", "latest", "--accel", "kvm"], 2, "so --accel has no place"),
    ],
)
def test_bad_input_is_one_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], code: int, message: str
) -> None:
    assert run.main(words(tmp_path, *more)) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "results").exists(), "nothing was started"


def test_unwritable_results_are_the_hosts_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "of_run", lambda *_: [])
    (tmp_path / "file").write_text("")
    assert run.main(["--results", str(tmp_path / "file"), "--cache", str(tmp_path / "cache")]) == 3
    error = capsys.readouterr().err
    assert "cannot be written" in error
    assert "--results DIR" in error


def test_no_disk_space_and_a_missing_tool_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "CACHE_GIB", 10**9)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run.main(words(tmp_path)) == 3
    error = capsys.readouterr().err
    assert "disk space" in error
    assert "qemu-system-x86_64 is not installed; apt-get install qemu-system-x86" in error
    assert not (tmp_path / "results").exists()


def test_doctor_names_each_need_and_its_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run.main(words(tmp_path, "doctor")) == 3
    text = capsys.readouterr().out
    needs = ("QEMU", "libvirt", "KVM", "mmdebstrap", "uidmap", "compiler", "disk space", "memory", "dataset")
    assert all(need in text for need in needs)
    assert "way out: apt-get install mmdebstrap" in text


def test_a_run_that_is_done_is_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from configuration.load import load
    from configuration.plan import make_plan
    from experiment.run_folder import Store

    configuration = load(PROJECT / "experiments.toml", {"run": {"conditions": ["baseline"], "replicates": 1}})
    plan = make_plan(configuration)
    store = Store.create(tmp_path / "results", configuration, plan)
    made = write_run(tmp_path / "made", ("baseline",), 1)
    shutil.copyfile(made / "manifest.json", store.folder / "manifest.json")
    shutil.copytree(made / "cells" / "01-baseline", store.folder / "cells" / "01-baseline")
    assert run.main(words(tmp_path, "--resume", "latest")) == 0
    assert "nothing is left" in capsys.readouterr().out
    stream = store.folder / "cells" / "01-baseline" / "samples.jsonl"
    stream.write_bytes(stream.read_bytes()[:-20])
    assert run.main(words(tmp_path, "--resume", "latest", "--dry-run")) == 0
    said = capsys.readouterr().out
    assert "01-baseline is run again, as its records are damaged: cells/01-baseline/samples.jsonl" in said
    assert "nothing is left" not in said
    assert stream.exists(), "a dry run moves nothing"


@pytest.mark.whole
def test_a_run_killed_while_it_was_drawn_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = write_run(tmp_path / "results" / "one", ("baseline", "working-set"), 2)
    shutil.copyfile(PROJECT / "experiments.toml", done / "configuration.toml")
    assert run.main(words(tmp_path, "--resume", "one")) == 0
    assert "the report is" in capsys.readouterr().out
    assert (done / "report.html").is_file()
    assert (done / "tables" / "cells.csv").is_file()


def test_nothing_to_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(words(tmp_path, "clean")) == 0
    assert capsys.readouterr().out == "no killed run has left anything\n"
    assert not (tmp_path / "cache").exists()


def test_clean_says_what_it_would_remove_and_removes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "cache" / ledger.FOLDER
    place.mkdir(parents=True)
    overlays = tmp_path / "cache" / "guests" / "01-baseline-0a1b2c3d"
    overlays.mkdir(parents=True)
    (overlays / "swap.qcow2").write_bytes(bytes(3_000_000))
    (place / "1-00000000.jsonl").write_bytes(notes.entry(notes.Made(folder=str(overlays))))
    cache = Cache(tmp_path / "cache")
    entry = cache.obtain("disk", {}, lambda folder: (folder / "root.raw").touch())
    cache.release()
    for _ in range(2):
        assert run.main(words(tmp_path, "clean", "--images", "--dry-run")) == 0
        text = capsys.readouterr().out
        assert f"would remove {overlays} (3.0 MB)" in text
        assert entry.name in text
        assert "would be removed" in text
        assert overlays.exists()
        assert entry.exists()
    assert run.main(words(tmp_path, "clean")) == 0
    assert f"removing {overlays}" in capsys.readouterr().out
    assert not overlays.exists()
    assert entry.exists(), "images only when asked for"
    assert run.main(words(tmp_path, "clean", "--images")) == 0
    assert not entry.exists()
