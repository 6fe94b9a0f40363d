"""cell.jsonl: every committed journal is read and written again as it was; what is none is named."""

from pathlib import Path

import pytest

from measure.journal import End, Head, Journal, entries_in, entry_of, line_of, read_end, read_head, read_journal
from testbed.files.documents import Fault
from testbed.process import PROJECT

COMMITTED = sorted((PROJECT / "results").glob("*/*/*/**/cell.jsonl"))
HEAD = Head("01-baseline", 1, "baseline", "lxc", "off", pressure=True, disk_iops=0, accelerator="tcg")


def test_every_committed_journal_is_written_again_as_it_was() -> None:
    assert len(COMMITTED) > 400
    for path in COMMITTED:
        assert "".join(map(line_of, read_journal(path))) == path.read_text(), path


def test_head_and_end(tmp_path: Path) -> None:
    assert (read_head(tmp_path), read_end(tmp_path)) == (None, None), "there is no journal"
    with Journal(tmp_path / "cell.jsonl") as journal:
        journal.write(HEAD)
        step = journal.step("request", guest=2.5, tick=10)
        assert read_end(tmp_path) is None
        journal.write(End(complete=True, valid=False, reason="lost"))
    assert read_head(tmp_path) == HEAD
    assert read_end(tmp_path) == End(complete=True, valid=False, reason="lost")
    assert read_journal(tmp_path / "cell.jsonl")[1] == step


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"type": "mechanism", "memory_bytes": "4"}', "mechanism: memory_bytes: Input should be a valid integer"),
        ('{"type": "mechanism"}', "mechanism: memory_bytes: "),
        ('{"type": "unknown"}', "type 'unknown' is none of cell, step, "),
        ('{"type": ["cell"]}', "is none of cell, step, "),
        ('{"type": "end", "complete": 1, "valid": true}', "end: complete: Input should be a valid boolean"),
        ('{"type": "step", "step": "x", "host": 1.0, "wall": 1.0, "\\u001b[31m": 1}', "step: \ufffd[31m: "),
        ('{"type": "step", "step": "x", "host": 1e999, "wall": 1.0}', "a number is larger than any number of ours"),
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
    ],
)
def test_what_is_no_line_of_a_journal_is_named(line: str, fault: str) -> None:
    with pytest.raises(Fault) as raised:
        entry_of(line.encode())
    assert fault in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_line_that_was_cut_is_left_out() -> None:
    assert entries_in((line_of(HEAD) + line_of(HEAD)[:-5]).encode()) == [HEAD]
