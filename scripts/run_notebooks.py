"""Executes the notebooks from their first cell to their last, in an empty folder; nothing is written back.

python scripts/run_notebooks.py                          # all, with quick trainings of 20 steps
python scripts/run_notebooks.py notebooks/edit.ipynb --steps=0    # as users run it

Needs nbclient and ipykernel (pip install 'fer_jax[docs]'). A cell that fails ends the program with its traceback.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
SECONDS = 1800  # that a cell may take


def main() -> None:
    """Parses the command line and executes."""
    parser = argparse.ArgumentParser(description="Executes the notebooks.")
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(NOTEBOOKS.glob("*.ipynb")))
    parser.add_argument("--steps", type=int, default=20, help="of quick trainings; 0: the configs' own")
    arguments = parser.parse_args()
    if arguments.steps:
        os.environ["FER_JAX_NOTEBOOK_STEPS"] = str(arguments.steps)
    for path in arguments.notebooks:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            notebook = nbformat.read(path, as_version=4)
            NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": folder}}).execute()
        print(f"{path.name}: {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
