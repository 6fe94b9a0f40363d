"""The choice of accelerator: tried, remembered for this machine, refused with its reason. Fakes stand for QEMU."""

from pathlib import Path

import pytest

from testbed import accelerator
from testbed.accelerator import BOOTED, Accelerator, choose, probe, refuse_early
from testbed.errors import HostError


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kvm"
    path.write_text("")
    monkeypatch.setattr(accelerator, "KVM", path)
    return path


def fake_qemu(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A qemu-system-x86_64 first on PATH; its calls are counted in the file it returns."""
    calls = folder / "calls"
    program = folder / "bin" / "qemu-system-x86_64"
    program.parent.mkdir(exist_ok=True)
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && {{ echo "QEMU emulator version 0"; exit; }}\necho x >> {calls}\n{script}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return calls


def test_no_device_is_tcg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "KVM", tmp_path / "absent")
    found = probe(Path("vmlinuz"), 1).found
    assert found.name == "tcg"
    assert "is not there" in found.reason
    with pytest.raises(HostError, match=r"KVM does not work here: .* is not there"):
        refuse_early("kvm")
    refuse_early("auto")


def test_a_kernel_that_boots_is_kvm(tmp_path: Path, device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_qemu(tmp_path, monkeypatch, f"echo 'VFS: {BOOTED} on unknown-block(0,0)'")
    assert probe(Path("vmlinuz"), 5).found == Accelerator("kvm", "a kernel boots on it")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'error: failed to set MSR 0x10a' >&2; exit 1", "failed to set MSR"),
        ("exit 0", "no message"),
        ("echo 'KVM internal error. Suberror: 1'; exec sleep 30", "KVM internal error. Suberror: 1"),
    ],
)
def test_a_device_that_opens_is_not_enough(
    tmp_path: Path, device: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    fake_qemu(tmp_path, monkeypatch, script)
    trial = probe(Path("vmlinuz"), 10)
    assert trial.found.name == "tcg"
    assert reason in trial.found.reason
    assert not trial.ran_out


def test_a_trial_that_ran_out_of_time_is_not_remembered(
    tmp_path: Path, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy host once made --accel kvm refuse for good, in 0.4 s, where KVM worked."""
    monkeypatch.setattr(accelerator, "TRIAL_SECONDS", 0.3)
    monkeypatch.setattr(accelerator, "ASKED_SECONDS", 0.6)
    calls = fake_qemu(tmp_path, monkeypatch, "exec sleep 30")
    for _ in range(2):
        assert "no kernel boots on it within" in choose("auto", Path("vmlinuz"), tmp_path / "cache").reason
    assert calls.read_text() == "x\nx\n"
    with pytest.raises(HostError, match="within 1 s"):
        choose("kvm", Path("vmlinuz"), tmp_path / "cache")
    fake_qemu(tmp_path, monkeypatch, f"echo '{BOOTED}'")
    assert choose("kvm", Path("vmlinuz"), tmp_path / "cache").name == "kvm"


def test_who_asks_for_kvm_has_it_tried_again(tmp_path: Path, device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_qemu(tmp_path, monkeypatch, "exit 1")
    assert choose("auto", Path("vmlinuz"), tmp_path / "cache").name == "tcg"
    fake_qemu(tmp_path, monkeypatch, f"echo '{BOOTED}'")
    assert choose("auto", Path("vmlinuz"), tmp_path / "cache").name == "tcg", "remembered"
    assert choose("kvm", Path("vmlinuz"), tmp_path / "cache").name == "kvm"
    assert choose("auto", Path("vmlinuz"), tmp_path / "cache").name == "kvm", "and that, too"


def test_the_decision_is_remembered_for_this_machine(
    tmp_path: Path, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = fake_qemu(tmp_path, monkeypatch, "exit 1")
    for _ in range(3):
        assert choose("auto", Path("vmlinuz"), tmp_path / "cache").name == "tcg"
    assert calls.read_text() == "x\n", "tried once"
    monkeypatch.setattr(accelerator, "machine_key", lambda: {"host": "another"})
    choose("auto", Path("vmlinuz"), tmp_path / "cache")
    assert calls.read_text() == "x\nx\n", "another machine is tried anew"


def test_asked_for_kvm_that_does_not_work_is_an_error_with_its_reason(
    tmp_path: Path, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_qemu(tmp_path, monkeypatch, "echo 'no luck' >&2; exit 1")
    with pytest.raises(HostError, match=r"KVM does not work here: .*no luck"):
        choose("kvm", Path("vmlinuz"), tmp_path / "cache")
    assert choose("tcg", Path("vmlinuz"), tmp_path / "cache") == Accelerator("tcg", "asked for")
