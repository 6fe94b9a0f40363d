"""`run.py notebook`: an executed copy of analysis/review.ipynb in a run."""

import argparse
import tempfile
from pathlib import Path

import nbclient
import nbformat
from traitlets.config import Config

from experiment.run_folder import Store
from experiment.terminal.console import Console
from testbed.errors import HostError
from testbed.files.plain import write_text
from testbed.process import PROJECT

NOTEBOOK = PROJECT / "analysis" / "review.ipynb"
LIMIT_S = 600  # a cell of the notebook


def run(words: argparse.Namespace) -> int:
    Console().print(str(execute(Store.open(words.results, words.run))))
    return 0


def execute(store: Store) -> Path:
    """Writes ``store.folder``/review.ipynb; its path. Raises HostError with the notebook's own words if it fails."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source = f"RUN = {str(store.folder)!r}"
    try:
        with tempfile.TemporaryDirectory() as sockets:  # of our own: no TCP port
            kernel = {"transport": "ipc", "ip": f"{sockets}/kernel"}
            where = {"metadata": {"path": str(PROJECT)}}
            settings = Config({"KernelManager": kernel})
            nbclient.NotebookClient(notebook, timeout=LIMIT_S, resources=where, config=settings).execute()
    except nbclient.exceptions.CellExecutionError as error:
        raise HostError(f"{NOTEBOOK.name} failed: {error.ename}: {error.evalue}", "look at the run's files") from error
    except (nbclient.exceptions.DeadKernelError, nbclient.exceptions.CellTimeoutError) as error:
        raise HostError(f"{NOTEBOOK.name} failed: {error}", "more memory or time may be needed") from error
    # The copy is for reading where the run is: not a path of this machine.
    parameters.source = f"RUN = {store.run!r}"
    return write_text(nbformat.writes(notebook) + "\n", store.folder / NOTEBOOK.name)  # type: ignore[no-untyped-call]
