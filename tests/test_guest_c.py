"""What the guest's C programs share: its own unit tests, under sanitizers."""

from testbed.process import PROJECT, run


def test_shared_parts_pass_their_tests() -> None:
    said = run(["make", "-s", "-C", PROJECT / "guest_c", "check"], timeout=300)
    tests = sorted((PROJECT / "guest_c" / "tests").glob("test_*.c"))
    assert tests
    assert [test.stem for test in tests if f"{test.stem}\n" not in said] == []
