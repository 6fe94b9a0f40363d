"""Which cell goes to which host, where there are several hosts, or several guests at a time. Pure."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from configuration.plan import Cell


class Dispatch:
    """The cells of a run that wait. Conditions are compared within blocks, so a block stays on one host.

    ``owners``: the hosts that have run other cells of a block before, by replicate.
    """

    def __init__(self, cells: Sequence[Cell], owners: Mapping[int, str] = MappingProxyType({})) -> None:
        self._blocks: dict[int, list[Cell]] = {}
        for cell in cells:
            self._blocks.setdefault(cell.replicate, []).append(cell)
        self._sizes = {replicate: len(block) for replicate, block in self._blocks.items()}
        self._hosts = dict(owners)

    @property
    def done(self) -> bool:
        """No cell waits."""
        return not any(self._blocks.values())

    @property
    def between_blocks(self) -> bool:
        """No block is begun of which cells wait."""
        return all(not block or len(block) == self._sizes[replicate] for replicate, block in self._blocks.items())

    def take(self, host: str, present: Collection[str]) -> Cell | None:
        """The next cell for ``host``: of its own blocks first, else of one that nobody has, or whose host is gone.

        ``present``: the hosts that are there.
        """
        for mine in (True, False):
            for replicate, block in self._blocks.items():
                owner = self._hosts.get(replicate)
                if block and (owner == host if mine else owner is None or owner not in present):
                    self._hosts[replicate] = host
                    return block.pop(0)
        return None

    def again(self, cell: Cell) -> None:
        """A cell that was taken is to be run once more, before the others of its block."""
        self._blocks[cell.replicate].insert(0, cell)
