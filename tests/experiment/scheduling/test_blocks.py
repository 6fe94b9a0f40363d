"""Which cell goes where: every cell once, blocks whole on one host, whatever becomes of hosts."""

from hypothesis import given
from hypothesis import strategies as st

from configuration.plan import Cell
from experiment.scheduling.blocks import Dispatch


def cell(replicate: int, condition: str) -> Cell:
    return Cell(replicate, condition, "lxc", "off")


A1, B1, A2, B2, A3, B3 = (cell(replicate, name) for replicate in (1, 2, 3) for name in "ab")
HOSTS = ("x", "y")


def test_one_host_takes_them_in_the_plans_order() -> None:
    dispatch = Dispatch([B1, A1, A2, B2])
    assert [dispatch.take("x", ["x"]) for _ in range(5)] == [B1, A1, A2, B2, None]
    assert dispatch.done


def test_a_block_stays_on_its_host() -> None:
    dispatch = Dispatch([A1, B1, A2, B2, A3, B3])
    assert dispatch.take("x", HOSTS) == A1
    assert dispatch.take("y", HOSTS) == A2
    assert dispatch.take("y", HOSTS) == B2
    assert dispatch.take("y", HOSTS) == A3
    assert dispatch.take("x", HOSTS) == B1
    assert dispatch.take("x", HOSTS) is None  # what is left is y's
    assert dispatch.take("y", HOSTS) == B3


def test_a_block_whose_host_is_gone_goes_on_elsewhere_and_stays_there() -> None:
    dispatch = Dispatch([A1, B1, A2, B2])
    assert dispatch.take("x", HOSTS) == A1
    assert dispatch.take("y", HOSTS) == A2
    dispatch.again(A1)
    assert dispatch.take("y", ["y"]) == B2
    assert dispatch.take("y", ["y"]) == A1
    assert dispatch.take("x", HOSTS) is None
    assert dispatch.take("y", HOSTS) == B1


def test_a_cell_that_is_tried_again_comes_first_in_its_block() -> None:
    dispatch = Dispatch([A1, B1])
    dispatch.take("x", ["x"])
    dispatch.again(A1)
    assert dispatch.take("x", ["x"]) == A1


def test_what_is_left_of_a_resumed_block_goes_to_the_host_that_has_run_the_rest() -> None:
    dispatch = Dispatch([B1, B2, A3], {1: "y", 2: "x"})
    assert dispatch.take("x", HOSTS) == B2
    assert dispatch.take("x", HOSTS) == A3
    assert dispatch.take("x", HOSTS) is None
    assert dispatch.take("x", ["x"]) == B1, "its host is gone"


def test_between_blocks() -> None:
    dispatch = Dispatch([A1, B1, A2, B2])
    seen = [dispatch.between_blocks]
    while dispatch.take("x", ["x"]):
        seen.append(dispatch.between_blocks)
    assert seen == [True, False, True, False, True]


@given(st.lists(st.tuples(st.sampled_from(HOSTS), st.booleans(), st.booleans()), min_size=1), st.integers(1, 4))
def test_every_cell_is_run_once_and_no_block_is_torn_while_its_host_lives(
    events: list[tuple[str, bool, bool]], blocks: int
) -> None:
    """Events: who asks, whether the other host is there, whether the cell fails at first."""
    cells = [cell(replicate, name) for replicate in range(1, blocks + 1) for name in "abc"]
    dispatch = Dispatch(cells)
    settled: list[Cell] = []
    owner: dict[int, str] = {}
    for host, both, fails in events:
        present = HOSTS if both else (host,)
        taken = dispatch.take(host, present)
        if taken is None:
            assert dispatch.done or all(owner.get(c.replicate) not in (None, host) for c in cells if c not in settled)
            continue
        previous = owner.get(taken.replicate, host)
        assert previous == host or previous not in present
        owner[taken.replicate] = host
        if fails:
            dispatch.again(taken)
        else:
            settled.append(taken)
    while taken := dispatch.take("x", ["x"]):
        settled.append(taken)
    assert dispatch.done
    assert sorted(settled, key=lambda c: c.name) == cells
