"""A cell in a process of its own: its guest and its end are no one else's.

``perform`` starts ``python -m experiment.places.own_process`` and talks to it in pickles: a task in, what is
seen of it and the outcome out. Its standard input stays open for as long as its parent lives: at its end the
cell ends in order.
"""

import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import IO, Any, cast

from experiment.cell import Ended, StepSeen, Task, TickSeen
from experiment.cell import perform as perform_here
from experiment.interrupts import Interrupts
from experiment.progress import set_up_log
from testbed import ledger
from testbed.errors import INTERRUPTED, WorkerLost
from testbed.process import PROJECT

PROGRAM = (sys.executable, "-m", "experiment.places.own_process")
POLL_S = 0.2
STEP, TICK, OUTCOME, ERROR = "step", "tick", "outcome", "error"
Message = tuple[str, Any]


def run_cell(task: Task, on_step: StepSeen, on_tick: TickSeen, wanted: Callable[[], bool]) -> Ended:
    """Run a cell to its end, or until it is not ``wanted`` any more: then it ends in order.

    Raises WorkerLost when the process ends without an outcome, and what ``cell.perform`` raises.
    """
    process = subprocess.Popen(
        PROGRAM,
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; we tell it
    )
    orders, answers = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    said: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(answers, said), name=f"of {task.cell.name}", daemon=True).start()
    try:
        with orders:
            pickle.dump(task, orders)
            orders.flush()
            return follow(process, said, on_step, on_tick, wanted)
    except BrokenPipeError as error:
        raise WorkerLost(f"its process ended with exit code {process.wait()}, before it began") from error
    finally:
        process.wait()


def listen(stream: IO[bytes], said: "queue.SimpleQueue[Message | None]") -> None:
    """What the process says, and None at its end."""
    with stream:
        while True:
            try:
                said.put(pickle.load(stream))  # noqa: S301 - our own program's
            except Exception:  # a broken pickle raises what it likes
                said.put(None)
                return


def follow(
    process: subprocess.Popen[bytes],
    said: "queue.SimpleQueue[Message | None]",
    on_step: StepSeen,
    on_tick: TickSeen,
    wanted: Callable[[], bool],
) -> Ended:
    told = False
    while True:
        if not told and not wanted():
            process.send_signal(signal.SIGINT)
            told = True
        try:
            message = said.get(timeout=POLL_S)
        except queue.Empty:
            continue
        if message is None:
            raise WorkerLost(f"its process ended with exit code {process.wait()}, without an outcome")
        kind, value = message
        if kind == STEP:
            on_step(value)
        elif kind == TICK:
            on_tick(value)
        elif kind == ERROR:
            raise value
        else:
            outcome: Ended = value
            return outcome


def main() -> int:
    """The process itself: a task from standard input, and answers to standard output, which nothing else may use."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    set_up_log(logging.WARNING)
    task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301 - our parent's
    over = threading.Event()

    speaking = threading.Lock()  # ticks come from a thread of their own

    def say(kind: str, value: object) -> None:
        with speaking:
            answers.write(pickle.dumps((kind, value)))

    try:
        with Interrupts():
            threading.Thread(target=end_with_parent, args=(over,), name="parent", daemon=True).start()
            ledger.begin(task.scratch.parent)
            outcome = perform_here(task, partial(say, STEP), partial(say, TICK))
            over.set()
            say(OUTCOME, outcome)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        over.set()
        say(ERROR, error)
        return 1
    return 0


def end_with_parent(over: threading.Event) -> None:
    """As Ctrl-C would end us, once our parent is gone; when the cell is over that is as it should be."""
    while os.read(sys.stdin.fileno(), 1):  # without the stream's lock, on which Python would choke at its end
        pass
    if not over.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
