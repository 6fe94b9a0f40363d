"""The prefetcher's C parts: their own unit tests, how the built programs speak to a user, and what is packaged."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from testbed.process import PROJECT, run

FOLDER = PROJECT / "prefetch"
DAEMON = FOLDER / "build" / "prefetchd"
CONTROL = FOLDER / "build" / "prefetchctl"
PACKAGING = FOLDER / "packaging"
CONFIG = PACKAGING / "prefetchd.conf"
MAN_PAGES = ("man1/prefetchctl.1", "man5/prefetchd.conf.5", "man8/prefetchd.8")
NO_CONFIG = ("--config", "/dev/null")  # whatever this machine has in /etc


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    run(["make", "-s", "-C", FOLDER, "all"], timeout=300)


def answer(*command: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a program that is expected to end at once."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return done.returncode, done.stdout, done.stderr


def version() -> str:
    lines = (PACKAGING / "package.mk").read_text().splitlines()
    return next(line.removeprefix("VERSION := ") for line in lines if line.startswith("VERSION := "))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_pure_parts_pass_their_tests_under_sanitizers() -> None:
    said = run(["make", "-s", "-C", FOLDER, "check"], timeout=600)
    tests = sorted((FOLDER / "tests").glob("test_*.c"))
    assert tests
    for test in tests:
        assert f"{test.stem}\n" in said


@pytest.mark.parametrize("program", [DAEMON, CONTROL])
def test_programs_are_static(program: Path) -> None:
    headers = run(["readelf", "--program-headers", "--wide", program])
    assert "LOAD" in headers
    assert "INTERP" not in headers


@pytest.mark.parametrize("program", [DAEMON, CONTROL])
def test_help_teaches_and_succeeds(program: Path) -> None:
    code, said, complaint = answer(program, "--help")
    assert (code, complaint) == (0, "")
    assert said.startswith(f"usage: {program.name} ")
    assert "exit codes:" in said
    assert "example:" in said
    assert "working-set" in said


@pytest.mark.parametrize("program", [DAEMON, CONTROL])
def test_version_is_the_package_s(program: Path) -> None:
    assert answer(program, "--version") == (0, f"{program.name} {version()}\n", "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "no group: expected --group NAME=SPEC"),
        (["--group", "nothing"], "expected NAME=SPEC"),
        (["--group", "a=comm:"], "at most 8 process names"),
        (["--group", "a=/etc"], "expected a cgroup below /sys/fs/cgroup/"),
        (["--group", "a=x", "--group", "a=y"], "this one is taken"),
        (["--group", "a=x", "--policy", "oracle"], "policy oracle: expected oracle"),
        (["--policy", "all"], "expected off, siblings, working-set"),
        (["--early", "perhaps"], "expected no or yes"),
        (["--quiet-ms", "soon"], "expected a whole number"),
        (["--pool-mib", "1025"], "expected a whole number from 1 to 1024"),
        (["--state", "here"], "expected an absolute path"),
        (["--frequency", "5"], "--frequency: no such option"),
        (["--config", "/no/such/file"], "--config /no/such/file: No such file or directory"),
    ],
)
def test_daemon_refuses_wrong_arguments_in_one_line(arguments: list[str], reason: str) -> None:
    code, said, complaint = answer(DAEMON, *NO_CONFIG, *arguments)
    assert (code, said) == (2, "")
    assert complaint.startswith("prefetchd: ")
    assert reason in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[prefetchd]\nburst = 0\n", ":2: burst = 0: expected a whole number from 1 to 1000"),
        (b"[prefetchd]\nfrequency = 5\n", ":2: frequency: expected a key of prefetchd.conf(5)"),
        (b"[prefetchd]\nburst = 1\nburst = 2\n", ":3: burst: expected only once"),
        (b"burst = 1\n", ":1: burst = 1: expected [prefetchd] or [group NAME] before it"),
        (b"[service web]\n", ":1: [service web]: expected [prefetchd] or [group NAME]"),
        (b"[group web]\n\n", ":1: [group web]: expected cgroup = PATTERN or comm"),
        (b"[group web]\ncgroup = /etc\n", ":2: cgroup = /etc: expected a cgroup below"),
        (b"[prefetchd]\n\0\n", ":2: expected text, not a NUL byte"),
        (b"#" * 2000, ":1: expected a line of less than 1024 bytes"),
    ],
)
def test_daemon_names_the_line_that_is_wrong(tmp_path: Path, text: bytes, reason: str) -> None:
    config = tmp_path / "prefetchd.conf"
    config.write_bytes(text)
    code, said, complaint = answer(DAEMON, "--config", config, "--check")
    assert (code, said) == (2, "")
    assert complaint.startswith(f"prefetchd: {config}{reason}")
    assert complaint.count("\n") == 1


def test_check_counts_the_groups_of_file_and_command_line(tmp_path: Path) -> None:
    config = tmp_path / "prefetchd.conf"
    config.write_text("[prefetchd]\npolicy = siblings\n[group a]\ncgroup = lxc.payload.*\n[group b]\ncomm = sh, cat\n")
    code, said, complaint = answer(DAEMON, "--config", config, "--group", "c=x", "--check")
    assert (code, complaint) == (0, "")
    assert said.startswith("ok")
    assert "3" in said


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["policy"],
        ["policy", "all"],
        ["policy", "off", "now"],
        ["policy", "oracle", "relative.set"],
        ["policy", "oracle", "/with a/blank"],
        ["status", "--xml"],
        ["status", "json"],
        ["status", "a", "b"],
        ["status", "line\tfeed"],
        ["trace", "a"],
        ["trace", "a", "relative.set"],
        ["trace", "a b", "/a.set"],
        ["trace", "a", "/" + 255 * "x"],
        ["forget"],
        ["forget", ""],
        ["forget", "-a"],
        ["forget", 128 * "x"],
        ["wake"],
        ["wake", ""],
        ["wake", "-a"],
        ["wake", "a b"],
        ["wake", "json"],
        ["wake", "a", "b"],
        ["go"],
        ["--socket"],
        ["--socket", 108 * "x", "status"],
    ],
)
def test_control_refuses_wrong_arguments_in_one_line(arguments: list[str]) -> None:
    code, said, complaint = answer(CONTROL, *arguments)
    assert (code, said) == (2, "")
    assert complaint.startswith("prefetchctl: ")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "--json"],
        ["status", "lxc/lxc.payload.a", "--json"],
        ["policy", "oracle"],
        ["policy", "oracle", "/a.set"],
        ["trace", "a", "/a.set"],
        ["wake", "lxc/lxc.payload.a"],
        ["forget", "a"],
    ],
)
def test_control_names_the_socket_that_nobody_answers(tmp_path: Path, arguments: list[str]) -> None:
    code, said, complaint = answer(CONTROL, "--socket", tmp_path / "none.sock", *arguments)
    assert (code, said) == (3, "")
    assert complaint == f"prefetchctl: no prefetchd at {tmp_path / 'none.sock'}: No such file or directory\n"


def test_packaged_configuration_is_valid_once_it_has_a_group() -> None:
    code, said, complaint = answer(DAEMON, "--config", CONFIG, "--group", "web=lxc.payload.web", "--check")
    assert (code, complaint) == (0, "")
    assert said.startswith("ok")


def test_every_line_of_the_packaged_configuration_is_valid_without_its_comment_sign(tmp_path: Path) -> None:
    lines = CONFIG.read_text().splitlines()
    config = tmp_path / "prefetchd.conf"
    config.write_text("".join(f"{line.removeprefix('#')}\n" for line in lines if not line.startswith(("# ", "#\n"))))
    code, said, complaint = answer(DAEMON, "--config", config, "--check")
    assert (code, complaint) == (0, "")
    assert said.startswith("ok")


def install(root: Path, *words: str) -> None:
    run(["make", "-s", "-C", FOLDER, *words, f"DESTDIR={root}"], timeout=300)


def test_install_and_uninstall_leave_the_configuration_alone(tmp_path: Path) -> None:
    local = tmp_path / "usr" / "local"
    installed = [
        local / "sbin" / "prefetchd",
        local / "sbin" / "prefetchctl",
        local / "lib" / "systemd" / "system" / "prefetchd.service",
        *(local / "share" / "man" / page for page in MAN_PAGES),
    ]
    config = tmp_path / "etc" / "prefetchd.conf"

    install(tmp_path, "install")
    assert config.read_bytes() == CONFIG.read_bytes()
    config.write_text("# mine\n")
    install(tmp_path, "install")
    assert config.read_text() == "# mine\n"
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted([config, *installed])
    assert [mode(path) for path in installed] == [0o755, 0o755, *4 * [0o644]]

    install(tmp_path, "uninstall")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [config]


def test_installed_unit_starts_what_was_installed(tmp_path: Path) -> None:
    install(tmp_path, "install", "PREFIX=/opt/x", "SYSCONFDIR=/opt/x/etc")
    unit = (tmp_path / "opt/x/lib/systemd/system/prefetchd.service").read_text()
    assert "\nExecStart=/opt/x/sbin/prefetchd --config /opt/x/etc/prefetchd.conf\n" in unit
    assert "/usr/local" not in unit


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "prefetchd.service"
    text = (PACKAGING / "prefetchd.service").read_text()
    unit.write_text(text.replace("/usr/local/sbin/prefetchd", str(DAEMON)))
    code, said, complaint = answer("systemd-analyze", "verify", "--man=no", unit)
    assert (code, said) == (0, "")
    assert unit.name not in complaint  # other units of this machine may have their faults


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
@pytest.mark.parametrize("page", MAN_PAGES)
def test_man_pages_are_well_formed(page: str) -> None:
    assert answer("groff", "-man", "-ww", "-z", "-Tutf8", PACKAGING / Path(page).name) == (0, "", "")


@pytest.mark.parametrize("page", ["prefetchd.8", "prefetchd.conf.5"])
def test_man_pages_know_every_setting(page: str) -> None:
    text = (PACKAGING / page).read_text().replace("\\-", "-")
    settings = [
        line.removeprefix("#").split(" = ")[0]
        for line in CONFIG.read_text().split("# --- What is watched?")[0].splitlines()
        if " = " in line and not line.startswith("# ")
    ]
    assert len(settings) == 20
    for setting in settings:
        assert setting in text


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not installed")
def test_debian_package_has_everything_and_starts_nothing(tmp_path: Path) -> None:
    run(["make", "-s", "-C", FOLDER, "deb"], timeout=300)
    architecture = run(["dpkg", "--print-architecture"]).strip()
    package = FOLDER / "build" / f"prefetchd_{version()}_{architecture}.deb"

    rows = [line.split(maxsplit=5) for line in run(["dpkg-deb", "-c", package]).splitlines()]
    files = {row[5].removeprefix("."): row[0] for row in rows if not row[0].startswith("d")}
    assert files == {
        "/etc/prefetchd.conf": "-rw-r--r--",
        "/usr/lib/systemd/system/prefetchd.service": "-rw-r--r--",
        "/usr/sbin/prefetchctl": "-rwxr-xr-x",
        "/usr/sbin/prefetchd": "-rwxr-xr-x",
        **{f"/usr/share/doc/prefetchd/{name}": "-rw-r--r--" for name in ("README.md", "changelog.gz", "copyright")},
        **{f"/usr/share/man/{page}.gz": "-rw-r--r--" for page in MAN_PAGES},
    }
    assert {row[1] for row in rows} == {"root/root"}
    assert run(["dpkg-deb", "-f", package, "Package", "Version", "Architecture"]).splitlines() == [
        "Package: prefetchd",
        f"Version: {version()}",
        f"Architecture: {architecture}",
    ]
    assert run(["dpkg-deb", "-f", package, "Depends"]).strip() == ""

    run(["dpkg-deb", "-R", package, tmp_path / "tree"])
    control = tmp_path / "tree" / "DEBIAN"
    assert (control / "conffiles").read_text() == "/etc/prefetchd.conf\n"
    assert "ExecStart=/usr/sbin/prefetchd " in (tmp_path / "tree/usr/lib/systemd/system/prefetchd.service").read_text()
    for script in ("postinst", "prerm", "postrm"):
        assert mode(control / script) == 0o755
        run(["sh", "-n", control / script])
        assert "systemctl enable" not in (control / script).read_text()
        assert "systemctl start" not in (control / script).read_text()
    run(["md5sum", "--check", "--quiet", "DEBIAN/md5sums"], cwd=tmp_path / "tree")


def test_plain_make_builds_optimized_programs_and_installs_nothing() -> None:
    shown = run(["make", "--dry-run", "--always-make", "-C", FOLDER], timeout=60)
    compiled = [line for line in shown.splitlines() if " -c -o " in line]
    assert compiled
    assert all(" -O2 " in line and " -D_GNU_SOURCE " in line for line in compiled)
    assert "install" not in shown
