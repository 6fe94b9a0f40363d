"""The folder that lets one in to a distributed run: how it is made, and which one is taken."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from experiment.places import certificate
from testbed.errors import HostError, UsageError

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files that are another user's")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certificate.make(tmp_path / "tls", days=2)
    return tmp_path / "tls"


def test_two_certificates_have_nothing_in_common(tmp_path: Path) -> None:
    for name in ("a", "b"):
        certificate.make(tmp_path / name, 1)
    for file in ("key.pem", "cert.pem"):
        assert (tmp_path / "a" / file).read_bytes() != (tmp_path / "b" / file).read_bytes()


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "folder").mkdir()
    for name in ("link", "folder"):
        with pytest.raises(UsageError, match="is there already"):
            certificate.make(tmp_path / name, 1)
    with pytest.raises(UsageError, match="there is no folder"):
        certificate.make(tmp_path / "elsewhere" / "tls", 1)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "link"]


@pytest.mark.parametrize("days", [0, -1, 36501])
def test_days_have_limits(days: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--days {days}: expected 1 to 36500"):
        certificate.make(tmp_path / "tls", days)
    assert not (tmp_path / "tls").exists()


@pytest.mark.parametrize(("days", "valid"), [(-1.1, False), (-0.9, True), (1.9, True), (2.1, False)])
def test_a_certificate_is_valid_for_its_days(folder: Path, days: float, valid: bool) -> None:
    then = datetime.now(UTC) + timedelta(days=days)
    if valid:
        certificate.require(folder, then)
        return
    with pytest.raises(HostError, match=r"its certificate is valid from .* UTC") as refused:
        certificate.require(folder, then)
    assert "run.py certificate" in (refused.value.hint or "")


@pytest.mark.parametrize("name", ["key.pem", "cert.pem"])
@pytest.mark.parametrize("damage", ["cut", "empty", "other", "text", "binary"])
def test_a_damaged_certificate_is_one_line(folder: Path, tmp_path: Path, name: str, damage: str) -> None:
    path = folder / name
    certificate.make(tmp_path / "other", 1)
    contents = {
        "cut": path.read_bytes()[:-40],
        "empty": b"",
        "other": (tmp_path / "other" / name).read_bytes(),
        "text": b"no PEM",
        "binary": bytes(range(256)),
    }
    path.write_bytes(contents[damage])
    with pytest.raises(HostError, match="its key or its certificate is damaged"):
        certificate.require(folder)


def test_a_second_authority_is_not_let_in_beside(folder: Path, tmp_path: Path) -> None:
    """Whoever has that one's key would be."""
    certificate.make(tmp_path / "other", 1)
    with (folder / "cert.pem").open("ab") as file:
        file.write((tmp_path / "other" / "cert.pem").read_bytes())
    with pytest.raises(HostError, match="damaged"):
        certificate.require(folder)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("key.pem", 0o640), ("key.pem", 0o604), ("key.pem", 0o620), ("cert.pem", 0o664), ("cert.pem", 0o646),
     (".", 0o770), (".", 0o702)],
)  # fmt: skip
def test_rights_of_others_are_refused_and_the_way_out_works(folder: Path, name: str, mode: int) -> None:
    path = folder / name
    path.chmod(mode)
    with pytest.raises(HostError, match=f"is open to others: mode {mode:04o}") as refused:
        certificate.require(folder)
    assert f"chmod go= {path.resolve()}" in (refused.value.hint or "")
    path.chmod(mode & 0o700)
    certificate.require(folder)


@pytest.mark.parametrize("name", ["key.pem", "cert.pem"])
def test_links_and_what_is_missing_are_refused(folder: Path, tmp_path: Path, name: str) -> None:
    path = folder / name
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(HostError, match=r"No such file or directory"):
        certificate.require(folder)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError, match="is not a file or folder of your own"):
        certificate.require(folder)


@ROOT
@pytest.mark.parametrize("name", ["key.pem", "cert.pem", "."])
def test_what_another_user_made_is_refused(folder: Path, name: str) -> None:
    os.chown(folder / name, 65534, 65534)
    with pytest.raises(HostError, match="is not a file or folder of your own"):
        certificate.require(folder)


def test_a_folder_that_another_user_may_put_another_in_the_place_of_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    certificate.make(shared / "tls", 1)
    shared.chmod(0o777)
    with pytest.raises(HostError, match="whoever may can put another in the place of"):
        certificate.require(shared / "tls")
