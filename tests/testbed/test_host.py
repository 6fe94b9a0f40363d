"""What doctor finds of the host, by trying: as this user, and as one who may do less."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import host
from testbed.process import PROJECT


class TestNamespaces:
    def test_they_are_tried(self) -> None:
        need = host.namespaces()
        assert need.ok, need
        assert need.found.startswith("had, with ")

    @pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
    def test_a_user_without_a_range_is_told_the_command(self) -> None:
        words = "import os; from testbed import host; n = host.namespaces(); print(n.ok, n.remedy)"
        shown = subprocess.run(
            [sys.executable, "-c", words],
            cwd=PROJECT,
            user=65_534,
            group=65_534,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert shown.startswith("False ")
        assert "usermod --add-subuids" in shown or "sysctl" in shown

    def test_what_was_refused_names_its_setting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        monkeypatch.setattr(Path, "read_text", lambda self: "0\n" if self.name == "max_user_namespaces" else "1\n")
        assert "apparmor_restrict_unprivileged_userns=0" in host.remedy_for_namespaces("Operation not permitted")
        monkeypatch.setattr(Path, "read_text", lambda self: "0\n")
        assert "unprivileged_userns_clone=1" in host.remedy_for_namespaces("Operation not permitted")


class TestMemory:
    def group(self, folder: Path, limit: str, used: int, cached: int, names: tuple[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / names[0]).write_text(f"{limit}\n")
        (folder / names[1]).write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")

    def test_the_narrowest_limit_of_the_groups_above_holds(self, tmp_path: Path) -> None:
        v2 = ("memory.max", "memory.current")
        self.group(tmp_path / "a" / "b", "max", 10, 0, v2)
        self.group(tmp_path / "a", "1000", 700, 100, v2)
        proc = tmp_path / "proc"
        proc.write_text("0::/a/b\n")
        assert host.left_to_this_cgroup(proc, tmp_path) == 400

    def test_version_1_beside_version_2(self, tmp_path: Path) -> None:
        self.group(tmp_path / "memory" / "c", "500", 100, 0, ("memory.limit_in_bytes", "memory.usage_in_bytes"))
        proc = tmp_path / "proc"
        proc.write_text("9:name=systemd:/\n4:memory:/c\n0::/\n")
        assert host.left_to_this_cgroup(proc, tmp_path) == 400

    def test_without_a_limit_nothing_is_in_the_way(self, tmp_path: Path) -> None:
        proc = tmp_path / "proc"
        proc.write_text("0::/\n")
        assert host.left_to_this_cgroup(proc, tmp_path) == math.inf

    def test_doctor_counts_by_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(host, "left_to_this_cgroup", lambda: 2.0 * host.GIB)
        assert not host.memory(1, 1, 4).ok
