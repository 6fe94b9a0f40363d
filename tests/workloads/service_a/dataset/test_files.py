"""The public database's files: recognition, archives that mean harm, and the download."""

import gzip
import hashlib
import io
import json
import lzma
import os
import struct
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dumps
import pytest
from dumps import FEW, dump, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.errors import HostError, UsageError
from workloads.service_a.dataset import EXPECTED_ROWS, archive, published
from workloads.service_a.dataset.archive import extract
from workloads.service_a.dataset.download import download
from workloads.service_a.dataset.facts import PUBLISHED_COMMIT
from workloads.service_a.dataset.published import Published, git_blob, is_wanted, open_published, rows_files

OTHER_COMMIT = "0" * 40
Answer = Callable[[BaseHTTPRequestHandler], object]

NAMES = [
    "load_departments.dump", "load_employees.dump", "load_dept_emp.dump", "load_dept_manager.dump",
    "load_titles.dump", "load_salaries1.dump", "load_salaries2.dump", "load_salaries10.dump",
]  # fmt: skip
SALARIES = {number: dump("salaries", [(number, "60117", "1986-06-26", "1987-06-26")]) for number in ("10", "1", "2")}
FILES = {
    **{name: content for name, content in dumps.checkout().items() if name != "load_salaries.dump"},
    **{f"load_salaries{number}.dump": content for number, content in SALARIES.items()},
    "README.md": b"not needed\n",
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def checkout(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def tar_bytes(files: dict[str, bytes], prefix: str = "test_db-3c7fa05/", mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(f"test_db-master/{name}", content)
    return buffer.getvalue()


# --- recognition


def genuine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let what is in ``folder`` now be the public repository's."""
    blobs = {path.name: git_blob(path) for path in folder.glob("*.dump")}
    monkeypatch.setattr(published, "PUBLISHED_BLOBS", blobs)


def written(dataset: Published, out: Path) -> tuple[list[str], dict[str, bytes]]:
    """The names that it gives, and all that it writes."""
    out.mkdir()
    return dataset.write(out), {path.name: path.read_bytes() for path in out.iterdir()}


def test_rows_of_unknown_origin_are_written_anew_by_table_and_number(tmp_path: Path) -> None:
    dataset = open_published(checkout(tmp_path / "real"), tmp_path / "cache")
    names, files = written(dataset, tmp_path / "out")
    assert names == [f"{table}.tsv" for table in EXPECTED_ROWS] and set(files) == set(names)
    assert [row[0] for row in rows_of(files["salaries.tsv"])] == ["1", "2", "10"]
    for table in set(EXPECTED_ROWS) - {"salaries"}:
        assert list(map(tuple, rows_of(files[f"{table}.tsv"]))) == FEW[table]
    assert (dataset.source, dataset.label, dataset.genuine) == ("path", "employees 1.0.6 (public)", False)


def test_the_public_repositorys_files_are_loaded_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkout(tmp_path / "real")
    genuine(monkeypatch, folder)
    dataset = open_published(folder, tmp_path / "cache")
    assert dataset.genuine
    assert written(dataset, tmp_path / "out") == (NAMES, {name: FILES[name] for name in NAMES})


def test_a_public_file_that_changes_after_it_was_known_is_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkout(tmp_path / "real")
    genuine(monkeypatch, folder)
    dataset = open_published(folder, tmp_path / "cache")
    (folder / "load_titles.dump").write_bytes(FILES["load_titles.dump"] + b"system id;\n")
    with pytest.raises(UsageError, match=r"the files in .*real have changed since"):
        written(dataset, tmp_path / "out")


def test_a_file_that_changes_after_it_was_read_is_read_again(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "real")
    dataset = open_published(folder, tmp_path / "cache")
    (folder / "load_titles.dump").write_bytes(b"system id;\n")
    with pytest.raises(UsageError, match=r"load_titles\.dump, line 1, is not a row"):
        written(dataset, tmp_path / "out")


def test_the_nine_public_departments_are_taken_in_the_public_form(tmp_path: Path) -> None:
    rows = ",\n".join(f"('d{number:03}','{name}')" for number, name in enumerate(dumps.DEPARTMENTS, 1))
    text = f"INSERT INTO `departments` VALUES \n{rows};\n"
    folder = checkout(tmp_path / "real", {**FILES, "load_departments.dump": text.encode()})
    _, files = written(open_published(folder, tmp_path), tmp_path / "out")
    assert files["departments.tsv"].decode().splitlines()[8] == "d009\tCustomer Service"
    assert files["departments.tsv"].count(b"\n") == 9


@pytest.mark.parametrize("kind", ["folder", "tar", "zip", "download"])
def test_a_command_behind_a_row_is_refused_wherever_it_comes_from(tmp_path: Path, kind: str) -> None:
    """The mariadb client obeyed it, as root of the host's files."""
    row = b"INSERT INTO departments VALUES ('d009','Support'); system id >/mnt/p;\n"
    files = {**FILES, "load_departments.dump": row}
    where = r"load_departments\.dump, line 1, is not a row .*: system id >/mnt/p;"
    path = tmp_path / "evil"
    if kind == "folder":
        checkout(path, files)
    else:
        path.write_bytes(zip_bytes(files) if kind == "zip" else tar_bytes(files))
    if kind == "download":
        with serving(sending(path.read_bytes())) as (address, _), pytest.raises(HostError, match=where):
            download(address, OTHER_COMMIT, tmp_path, 5.0)
    else:
        with pytest.raises(UsageError, match=where) as caught:
            open_published(path, tmp_path / "cache")
        assert 'source = "synthetic"' in str(caught.value)


def test_identity_follows_the_rows_and_nothing_else(tmp_path: Path) -> None:
    changed = {**FILES, "load_titles.dump": dump("titles", FEW["titles"][:1])}
    readme = {**FILES, "README.md": b"changed\n"}
    identities = [
        open_published(checkout(tmp_path / str(number), files), tmp_path).identity
        for number, files in enumerate((FILES, readme, changed))
    ]
    assert identities[0] == identities[1] != identities[2]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (["load_titles.dump"], "is not the employees test database: load_titles.dump is missing"),
        (["employees.sql", "load_titles.dump"], "employees.sql, load_titles.dump are missing"),
    ],
)
def test_something_else_is_named_with_the_way_out(tmp_path: Path, missing: list[str], message: str) -> None:
    folder = checkout(tmp_path / "other", {name: data for name, data in FILES.items() if name not in missing})
    with pytest.raises(UsageError, match=message) as caught:
        open_published(folder, tmp_path)
    assert 'source = "synthetic"' in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [b"\\! id\n", b"system id\n", b"DROP DATABASE mysql;\n", b"(1,'a'); \\! id\n", b"source /x\n", b"(" * 100_000],
    ids=lambda line: repr(line)[:20],
)
def test_unknown_files_with_more_than_rows_are_refused(tmp_path: Path, line: bytes) -> None:
    files = {**FILES, "load_titles.dump": FILES["load_titles.dump"] + line}
    with pytest.raises(UsageError, match=r"load_titles\.dump, line 4, is not a row"):
        open_published(checkout(tmp_path / "evil", files), tmp_path)


def test_what_is_no_file_is_missing(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "odd")
    (folder / "load_titles.dump").unlink()
    os.mkfifo(folder / "load_titles.dump")
    with pytest.raises(UsageError, match=r"load_titles\.dump is missing"):
        open_published(folder, tmp_path)


def test_a_git_blob_is_named_as_git_does(tmp_path: Path) -> None:
    (tmp_path / "hello").write_bytes(b"hello\n")
    assert git_blob(tmp_path / "hello") == "ce013625030ba8dba906f756967f9e9ca394464a"


# --- archives


@pytest.mark.parametrize(
    "content",
    [*(tar_bytes(FILES, mode=f"w:{kind}") for kind in ("", "gz", "bz2", "xz")), zip_bytes(FILES)],
    ids=["tar", "gz", "bz2", "xz", "zip"],
)
def test_archives_are_unpacked_once_into_the_cache(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "copy"
    path.write_bytes(content)
    cache = tmp_path / "cache"
    dataset = open_published(path, cache)
    assert dataset.folder == cache / f"employees-{hashlib.sha256(content).hexdigest()[:16]}"
    assert sorted(p.name for p in dataset.folder.iterdir()) == sorted(set(FILES) - {"README.md"})
    assert dataset.identity == open_published(checkout(tmp_path / "real"), cache).identity
    before = dataset.folder.stat().st_ino
    assert open_published(path, cache) == dataset and dataset.folder.stat().st_ino == before
    assert [p.name for p in cache.iterdir()] == [dataset.folder.name]


@pytest.mark.parametrize("name", ["../load_titles.dump", "/load_titles.dump", "a/../../x", "..\\x"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "evil"
    if kind == "tar":
        path.write_bytes(tar_bytes({name: b"x"}, prefix=""))
    else:
        with zipfile.ZipFile(path, "w") as opened:
            opened.writestr(name, b"x")
    with pytest.raises(UsageError, match="not safe to unpack"):
        extract(path, is_wanted, tmp_path / "cache" / "target")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["cache", "evil"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_stand_for_nothing(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "secret").write_text("secret")
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("load_titles.dump")
        info.type, info.linkname = kind, str(tmp_path / "secret")
        tar.addfile(info)
    extract(path, is_wanted, tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


def test_links_in_a_zip_stand_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as opened:
        info = zipfile.ZipInfo("load_titles.dump")
        info.external_attr = 0o120777 << 16
        opened.writestr(info, "/etc/hostname")
    extract(path, is_wanted, tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


def test_the_copy_nearest_to_the_root_counts(tmp_path: Path) -> None:
    path = tmp_path / "nested.tar"
    name = "load_titles.dump"
    path.write_bytes(tar_bytes({f"a/b/{name}": b"deep", name: b"flat", f"a/{name}": b"deeper"}))
    extract(path, is_wanted, tmp_path / "target")
    assert (tmp_path / "target" / name).read_bytes() == b"flat"


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILES", 5), ("MAX_BYTES", 100)])
def test_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(archive, limit, value)
    for number, content in enumerate((tar_bytes(FILES), zip_bytes(FILES))):
        path = tmp_path / str(number)
        path.write_bytes(content)
        with pytest.raises(UsageError, match="is not unpacked: over"):
            extract(path, is_wanted, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def tar_of(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A compressed tar of headers and bodies that tarfile itself would not write."""
    whole = b"".join(
        info.tobuf(tarfile.GNU_FORMAT) + body + b"\0" * (-len(body) % tarfile.BLOCKSIZE) for info, body in entries
    )
    return gzip.compress(whole + b"\0" * 2 * tarfile.BLOCKSIZE)


def header(name: str, kind: bytes, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info


def pax_record(keyword: str, value: str) -> bytes:
    length = len(keyword) + len(value) + 3
    length += len(str(length + len(str(length))))
    return f"{length} {keyword}={value}\n".encode()


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize("place", ["first", "second"])
def test_a_tars_long_header_is_not_taken_into_memory(tmp_path: Path, kind: bytes, place: str) -> None:
    before = [(header("load_titles.dump", tarfile.REGTYPE, 3), b"(1)")] * (place == "second")
    long = header("x", kind, archive.MAX_HEADER + 1)
    path = tmp_path / "evil"
    path.write_bytes(tar_of(*before, (long, bytes(long.size)), (header("y", tarfile.REGTYPE, 0), b"")))
    with pytest.raises(UsageError, match=r"a header of it is longer than 1,048,576 bytes"):
        extract(path, is_wanted, tmp_path / "target")


def test_a_tars_headers_are_bounded_together(tmp_path: Path) -> None:
    record = pax_record("comment", "x" * 1000)
    path = tmp_path / "evil"
    path.write_bytes(tar_of(*[(header("x", tarfile.XGLTYPE, len(record)), record)] * 2000))
    with pytest.raises(UsageError, match="cannot be unpacked"):
        extract(path, is_wanted, tmp_path / "target")


def test_a_tars_sparse_map_is_bounded(tmp_path: Path) -> None:
    more = (struct.pack("12s12s", b"00000000001", b"00000000001") * 21 + b"\1").ljust(tarfile.BLOCKSIZE, b"\0")
    info = header("load_titles.dump", tarfile.GNUTYPE_SPARSE, 512)
    start = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    start[482] = 1  # isextended
    start[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(start))[0]  # type: ignore[attr-defined]
    path = tmp_path / "evil"
    path.write_bytes(gzip.compress(bytes(start) + more * 4000))
    with pytest.raises(UsageError, match="a header of it is longer"):
        extract(path, is_wanted, tmp_path / "target")


def test_a_negative_size_makes_no_room_for_more(tmp_path: Path) -> None:
    record = pax_record("size", "-2000000000")
    path = tmp_path / "evil"
    path.write_bytes(
        tar_of(
            (header("x", tarfile.XHDTYPE, len(record)), record),
            (header("y", tarfile.REGTYPE, 0), b""),
            (header("load_titles.dump", tarfile.REGTYPE, 1), b"x"),
        )
    )
    with pytest.raises(UsageError, match="cannot be unpacked"):
        extract(path, is_wanted, tmp_path / "target")


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_what_a_bomb_says_of_itself_is_enough(tmp_path: Path, kind: str) -> None:
    """A gigabyte in a megabyte is refused before it is unpacked, also where nobody wants it."""
    path = tmp_path / "bomb"
    if kind == "tar":
        path.write_bytes(tar_of((header("README", tarfile.REGTYPE, archive.MAX_BYTES + 1), b"")))
    else:
        content = bytearray(zip_bytes({"load_titles.dump": bytes(1000)}))
        at = content.rindex(b"PK\1\2")
        content[at + 24 : at + 28] = struct.pack("<L", archive.MAX_BYTES + 1)
        path.write_bytes(content)
    with pytest.raises(UsageError, match="is not unpacked: over"):
        extract(path, is_wanted, tmp_path / "target")


def test_a_zips_file_is_no_longer_than_it_says(tmp_path: Path) -> None:
    content = bytearray(zip_bytes({"load_titles.dump": bytes(10_000_000)}))
    at = content.rindex(b"PK\1\2")
    content[at + 24 : at + 28] = struct.pack("<L", 10)
    path = tmp_path / "bomb"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be unpacked"):
        extract(path, is_wanted, tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_is_not_packed_in_ways_that_zipfile_unpacks_at_once(tmp_path: Path, method: int) -> None:
    path = tmp_path / "bomb"
    with zipfile.ZipFile(path, "w", method) as opened:
        opened.writestr("load_titles.dump", bytes(100))
    with pytest.raises(UsageError, match="neither stored nor deflated"):
        extract(path, is_wanted, tmp_path / "target")


@pytest.mark.parametrize(
    "record",
    [
        {"GNU.sparse.map": "x,y", "GNU.sparse.size": "9"},
        {"GNU.sparse.map": "0,9", "GNU.sparse.size": "9" * 30},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "x"},
    ],
)
def test_a_tars_numbers_may_be_none(tmp_path: Path, record: dict[str, str]) -> None:
    records = b"".join(pax_record(keyword, value) for keyword, value in record.items())
    path = tmp_path / "evil"
    entry = (header("load_titles.dump", tarfile.REGTYPE, 9), b"(1,'a')\n\n")
    path.write_bytes(tar_of((header("x", tarfile.XHDTYPE, len(records)), records), entry))
    with pytest.raises(UsageError):
        extract(path, is_wanted, tmp_path / "target")


def test_a_zips_names_may_be_none(tmp_path: Path) -> None:
    path = tmp_path / "evil"
    for new in (b"\xff", b"\0"):
        content = bytearray(zip_bytes({"load_titles.dump": b"(1);"}))
        at = content.rindex(b"PK\1\2")
        content[at + 8 : at + 10] = b"\0\x08"  # names are UTF-8
        content[at + 46 : at + 47] = new
        path.write_bytes(content)
        with pytest.raises(UsageError, match="cannot be unpacked"):
            extract(path, is_wanted, tmp_path / "target")


SMALL = {"employees.sql": b"source x;\n" * 3, "load_titles.dump": b"(1,'a');\n" * 30}
ARCHIVES = [*(tar_bytes(SMALL, mode=f"w:{kind}") for kind in ("", "gz", "bz2", "xz")), zip_bytes(SMALL)]


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_archives_raise_nothing_but_our_errors(tmp_path: Path, data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from(ARCHIVES)))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "copy"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged)
    with suppress(UsageError):
        extract(path, is_wanted, tmp_path / "out" / "target")
    assert {p.name for p in tmp_path.rglob("*")} <= {"copy", "out", "target", *SMALL}


def broken_gzip() -> bytes:
    good = bytearray(tar_bytes(FILES))
    good[-8] ^= 0xFF  # the checksum
    return bytes(good)


@pytest.mark.parametrize(
    "content",
    [b"not an archive at all", b"", tar_bytes(FILES)[:200], zip_bytes(FILES)[:-30], gzip.compress(b"no tar"),
     broken_gzip(), tar_bytes(FILES, mode="w:bz2")[:150] + b"garbage", tar_bytes(FILES, mode="w:xz")[:-60]],
    ids=["text", "empty", "cut gz", "cut zip", "gz of no tar", "gz checksum", "bz2", "cut xz"],
)  # fmt: skip
def test_damaged_archives_leave_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "copy"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        open_published(path, tmp_path / "cache")
    left = [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    assert left == []


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"INSERT INTO `titles` VALUES\n"), lzma.compress(b"x" * 1000), b"(\xb5/\xfd\x04X" + bytes(600),
     b"7z\xbc\xaf'\x1c" + bytes(600), b"<!DOCTYPE html>\n<html>" + b"sign in " * 100, b"Rar!\x1a\x07\1\0", b""],
    ids=["gz of a file", "xz of a file", "zst", "7z", "html", "rar", "empty"],
)  # fmt: skip
def test_of_an_unknown_kind_it_is_said_which_are_taken(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "employees.zip"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        open_published(path, tmp_path / "cache")
    kinds = "it is none of .zip, .tar, .tar.gz, .tar.bz2, .tar.xz"
    assert caught.value.args[0] == f"{path} cannot be unpacked: {kinds}"


# --- download


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server on the loopback address; yields its address and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}/test_db", asked
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def sending(content: bytes, status: int = 200, length: int | None = None) -> Answer:
    """Answer every request with ``content``, announced as ``length`` bytes."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(length or len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


def test_a_download_is_made_once_and_recorded(tmp_path: Path) -> None:
    content = tar_bytes(FILES)
    with serving(sending(content)) as (address, asked):
        first = download(address + "/", OTHER_COMMIT, tmp_path, 5.0)
        second = download(address, OTHER_COMMIT, tmp_path, 5.0)
    assert first == second and first.source == "download"
    assert asked == [f"/test_db/archive/{OTHER_COMMIT}.tar.gz"]
    record = json.loads((tmp_path / f"employees-{OTHER_COMMIT}.json").read_text())
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(rows_files(tmp_path / f"employees-{OTHER_COMMIT}")) == 8


def test_the_pinned_commit_needs_the_published_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(sending(tar_bytes(FILES))) as (address, asked):
        with pytest.raises(HostError, match="its files are not those of commit 3c7fa05e04b4"):
            download(address, PUBLISHED_COMMIT, tmp_path, 5.0)
        genuine(monkeypatch, checkout(tmp_path / "real"))
        assert download(address, PUBLISHED_COMMIT, tmp_path, 5.0).genuine
        (tmp_path / f"employees-{PUBLISHED_COMMIT}" / "load_titles.dump").write_bytes(b"(9,'z');\n")
        assert download(address, PUBLISHED_COMMIT, tmp_path, 5.0).genuine
    assert len(asked) == 2  # the second one served from the first's files, the third replaced a spoilt cache


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (sending(b"gone", 404), "cannot be downloaded: Not Found"),
        (sending(b"<html>sign in</html>"), r"is damaged: .* none of \.zip, \.tar, \.tar\.gz, \.tar\.bz2, \.tar\.xz"),
        (sending(tar_bytes(FILES)[:300], length=300), "is damaged"),
        (sending(tar_bytes(FILES)[:300], length=9000), "is damaged|cannot be downloaded"),
        (sending(tar_bytes({"employees.sql": b""})), "load_departments.dump.* are missing"),
    ],
    ids=["404", "page", "cut", "short", "incomplete"],
)
def test_a_bad_answer_is_a_host_error(tmp_path: Path, answer: Answer, message: str) -> None:
    with serving(answer) as (address, _), pytest.raises(HostError, match=message):
        download(address, OTHER_COMMIT, tmp_path, 5.0)


def test_a_silent_server_is_left_in_time(tmp_path: Path) -> None:
    release = threading.Event()
    with serving(lambda request: release.wait(5)) as (address, _):
        started = time.monotonic()
        with pytest.raises(HostError, match="cannot be downloaded"):
            download(address, OTHER_COMMIT, tmp_path, 0.2)
        assert time.monotonic() - started < 2
        release.set()


def test_an_endless_answer_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workloads.service_a.dataset.download.MAX_BYTES", 1000)
    with serving(sending(bytes(5000))) as (address, _), pytest.raises(HostError, match="sends more than"):
        download(address, OTHER_COMMIT, tmp_path, 5.0)


@pytest.mark.parametrize("repository", ["http://example.com/test_db", "file:///etc", "ftp://example.com/x"])
def test_only_https_is_asked(tmp_path: Path, repository: str) -> None:
    with pytest.raises(UsageError, match="must start with https://"):
        download(repository, OTHER_COMMIT, tmp_path, 5.0)


@pytest.mark.parametrize("elsewhere", ["http://example.com/x", "ftp://example.com/x", "file:///etc/hostname"])
def test_a_server_may_send_on_to_https_alone(tmp_path: Path, elsewhere: str) -> None:
    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", elsewhere)
        request.end_headers()

    with serving(redirect) as (address, _), pytest.raises(HostError, match=r"is not https|cannot be downloaded"):
        download(address, OTHER_COMMIT, tmp_path, 5.0)
