"""SSH keys, made at build time: one pair that the guest calls its own, one that may log in."""

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def make_keys(folder: Path) -> None:
    """Write host_ed25519, host_ed25519.pub, id_ed25519 and authorized_keys; private keys with mode 0600."""
    make_pair(folder / "host_ed25519", folder / "host_ed25519.pub")
    make_pair(folder / "id_ed25519", folder / "authorized_keys")


def make_pair(private: Path, public: Path) -> None:
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(secret)
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH) + b"\n"
    )
