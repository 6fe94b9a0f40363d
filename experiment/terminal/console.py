"""What run.py prints with: no markup in words that others chose, and no end of its own."""

from typing import Any, NoReturn

import rich.console

from testbed.errors import printable


class Console(rich.console.Console):
    """Lines are not cut to the terminal's width. Raises BrokenPipeError once nobody reads any more."""

    def __init__(self, **more: Any) -> None:
        super().__init__(markup=False, highlight=False, soft_wrap=True, **more)

    def print(self, *objects: Any, **more: Any) -> None:
        """Words without what a terminal obeys, whoever chose them."""
        super().print(*(printable(one) if isinstance(one, str) else one for one in objects), **more)

    def on_broken_pipe(self) -> NoReturn:
        """Rich ends the program with exit code 1, which means that some cell does not count."""
        raise BrokenPipeError
