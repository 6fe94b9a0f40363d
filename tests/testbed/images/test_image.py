"""The image's recipes and pure parts; the image itself is built by the guest tests."""

import stat
from pathlib import Path

from testbed.images.disk import IMAGES, install_keys, install_overlay, listed
from testbed.images.image import package_versions
from testbed.ssh.keys import make_keys


def test_lists_have_no_comments_and_no_blanks() -> None:
    packages = listed(IMAGES / "packages.txt")
    assert {"apache2", "mariadb-server", "ruby", "lxc", "linux-image-cloud-amd64"} <= set(packages)
    assert all(name and "#" not in name and " " not in name for name in packages)


def test_versions_are_read_from_dpkgs_status() -> None:
    first = "Package: b\nStatus: install ok installed\nVersion: 1:2-3\nDescription: x\n Version: no\n"
    status = f"{first}\nPackage: a\nVersion: 1\n"
    assert package_versions(status) == "a\t1\nb\t1:2-3\n"


def test_the_overlay_masks_what_would_run_by_itself(tmp_path: Path) -> None:
    install_overlay(tmp_path)
    assert (tmp_path / "etc/fstab").read_text().count("/dev/vd") == 2
    for unit in ("apache2.service", "mariadb.service", "apt-daily.timer"):
        assert (tmp_path / "etc/systemd/system" / unit).readlink() == Path("/dev/null")
    install_overlay(tmp_path)


def test_keys_are_private_and_the_guest_knows_only_the_public_half(tmp_path: Path) -> None:
    keys, root = tmp_path / "keys", tmp_path / "root"
    keys.mkdir()
    (root / "etc/ssh").mkdir(parents=True)
    (root / "etc/ssh/ssh_host_rsa_key").write_text("of the package's installation")
    make_keys(keys)
    install_keys(root, keys)
    for name in ("host_ed25519", "id_ed25519"):
        assert stat.S_IMODE((keys / name).stat().st_mode) == 0o600
        assert "PRIVATE KEY" in (keys / name).read_text()
    assert [p.name for p in (root / "etc/ssh").iterdir()] == ["ssh_host_ed25519_key"]
    assert stat.S_IMODE((root / "etc/ssh/ssh_host_ed25519_key").stat().st_mode) == 0o600
    authorized = (root / "root/.ssh/authorized_keys").read_text()
    assert authorized.startswith("ssh-ed25519 ")
    assert "PRIVATE" not in authorized
    assert (keys / "host_ed25519.pub").read_text() != authorized
