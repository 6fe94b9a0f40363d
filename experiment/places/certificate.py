"""`run.py certificate`: a folder with a key and a certificate that is its own authority. Who has them is let in."""

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from testbed.errors import HostError, UsageError
from testbed.files import ownership

KEY, CERTIFICATE = "key.pem", "cert.pem"
MOST_DAYS = 36500
SKEW = timedelta(days=1)  # that a host's clock may be behind the one that made it
AGAIN = "make another: python run.py certificate FOLDER, and copy it to each host"


def make(folder: Path, days: int, now: datetime | None = None) -> None:
    """Write ``folder``, which is not there yet. Valid for so many ``days``, from ``now``. Raises UsageError."""
    if not 0 < days <= MOST_DAYS:
        raise UsageError(f"--days {days}: expected 1 to {MOST_DAYS}")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = signed(key, now or datetime.now(UTC), timedelta(days=days))
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError as error:
        raise UsageError(f"{folder} is there already", "name a folder that is not, or remove it") from error
    except FileNotFoundError as error:
        raise UsageError(f"there is no folder {folder.parent}", "make it, or name another") from error
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write(folder / KEY, secret, 0o600)
    write(folder / CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def signed(key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta) -> x509.Certificate:
    """By itself. Nobody asks for the name: Dask looks at no name, only at who signed."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "container-paging")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )


def write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(content)


def require(folder: Path, now: datetime | None = None) -> None:
    """Raises HostError unless ``folder`` is as ``make`` makes it, this user's alone, and its certificate is valid."""
    place = folder.resolve()
    ownership.require_parents(place)
    require_own(place, stat.S_ISDIR, others_may=0o055)
    require_own(place / CERTIFICATE, stat.S_ISREG, others_may=0o055)
    require_own(place / KEY, stat.S_ISREG, others_may=0)
    try:
        (certificate,) = x509.load_pem_x509_certificates((place / CERTIFICATE).read_bytes())
        key = serialization.load_pem_private_key((place / KEY).read_bytes(), password=None)
        if certificate.public_key() != key.public_key():
            raise ValueError("key and certificate do not belong together")
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: the key wants a password
        raise HostError(f"{folder}: its key or its certificate is damaged", AGAIN) from error
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begin <= (now or datetime.now(UTC)) <= end:
        raise HostError(f"{folder}: its certificate is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d %H:%M} UTC", AGAIN)


def require_own(path: Path, is_kind: Callable[[int], bool], others_may: int) -> None:
    """Raises HostError if another user may have made ``path``, or has rights there beyond ``others_may``."""
    try:
        status = path.lstat()
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", AGAIN) from error
    if not is_kind(status.st_mode) or status.st_uid != os.geteuid():
        raise HostError(f"{path} is not a file or folder of your own", AGAIN)
    if status.st_mode & 0o077 & ~others_may:
        raise HostError(
            f"{path} is open to others: mode {stat.S_IMODE(status.st_mode):04o}",
            f"if nobody has used that: chmod go= {quote(str(path))}; else {AGAIN}",
        )
