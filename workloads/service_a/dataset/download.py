"""Downloads the public employees database at a pinned commit, once, into the cache."""

import hashlib
import json
import logging
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, cast
from urllib.parse import urlsplit

from testbed import ledger
from testbed.errors import HostError, UsageError
from workloads.service_a.dataset.archive import extract
from workloads.service_a.dataset.facts import PUBLISHED_COMMIT
from workloads.service_a.dataset.published import Published, is_wanted, read_folder

log = logging.getLogger(__name__)

MAX_BYTES = 256 * 1024 * 1024
MAX_SECONDS = 900.0
HINT = 'set path under [dataset] to a copy of the database, or source = "synthetic"'


def download(repository: str, commit: str, cache: Path, timeout_s: float) -> Published:
    """The public rows at ``commit`` of ``repository``, from the cache if they are there.

    Raises UsageError if ``repository`` is no https address; HostError if the server does not answer within
    ``timeout_s`` seconds, falls silent for as long, or sends something else.
    """
    folder = cache / f"employees-{commit}"
    if folder.is_dir():
        try:
            return _read(folder, commit, repository)
        except HostError as error:
            log.warning("dataset: the copy in the cache is dropped: %s", error.args[0])
    url = f"{_require_https(repository)}/archive/{commit}.tar.gz"
    cache.mkdir(parents=True, exist_ok=True)
    with ledger.folder(cache, ".download-") as unfinished:
        archive = unfinished / "archive.tar.gz"
        digest = _fetch(url, archive, timeout_s)
        try:
            extract(archive, is_wanted, folder)
        except UsageError as error:
            raise HostError(f"the download of {url} is damaged: {error.args[0]}", HINT) from error
    dataset = _read(folder, commit, url)
    cache.joinpath(f"employees-{commit}.json").write_text(json.dumps({"url": url, "sha256": digest}) + "\n")
    return dataset


def _require_https(repository: str) -> str:
    """``repository`` without a last slash; UsageError unless https (http only on the loopback address)."""
    parts = urlsplit(repository)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")):
        return repository.rstrip("/")
    raise UsageError(f"repository under [dataset] must start with https://, not {repository!r}", HINT)


def _read(folder: Path, commit: str, name: str) -> Published:
    try:
        dataset = read_folder(folder, "download", name)
    except UsageError as error:
        raise HostError(error.args[0], HINT) from error
    if commit == PUBLISHED_COMMIT and not dataset.genuine:
        raise HostError(f"{name} is damaged: its files are not those of commit {commit[:12]}", HINT)
    return dataset


class StaysEncrypted(urllib.request.HTTPRedirectHandler):
    """A server may send us on to https alone, as the first address has to be."""

    def redirect_request(self, *words: Any) -> urllib.request.Request | None:
        try:
            _require_https(words[-1])
        except UsageError as error:
            raise HostError(f"the server sends on to {words[-1]!r}, which is not https", HINT) from error
        return super().redirect_request(*words)


OPENER = urllib.request.build_opener(StaysEncrypted)


def _fetch(url: str, target: Path, timeout_s: float) -> str:
    """Save ``url`` to ``target``; return the SHA-256 of what came."""
    log.info("dataset: asking %s", url)
    digest = hashlib.sha256()
    size = 0
    try:
        with _answer(url, timeout_s) as response, target.open("wb") as sink:
            deadline = time.monotonic() + MAX_SECONDS
            while block := response.read(1 << 16):
                size += len(block)
                if size > MAX_BYTES or time.monotonic() > deadline:
                    raise HostError(f"{url} sends more than {MAX_BYTES >> 20} MB or takes too long", HINT)
                digest.update(block)
                sink.write(block)
    except (OSError, HTTPException) as error:
        raise HostError(f"{url} cannot be downloaded: {getattr(error, 'reason', error)}", HINT) from error
    return digest.hexdigest()


def _answer(url: str, timeout_s: float) -> IO[bytes]:
    """Open ``url``; TimeoutError after ``timeout_s`` seconds in all.

    A thread of its own, as the resolver knows no time limit and every redirect gets a new one.
    """
    outcome: SimpleQueue[IO[bytes] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            outcome.put(cast(IO[bytes], OPENER.open(url, timeout=timeout_s)))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=ask, name="dataset-download", daemon=True).start()
    try:
        answer = outcome.get(timeout=timeout_s)
    except Empty:
        raise TimeoutError(f"no answer within {timeout_s:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
