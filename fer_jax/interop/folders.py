"""Folders of a reference's files."""

from collections.abc import Sequence
from pathlib import Path

from fer_jax.core.errors import UsageError


def only_file(folder: Path, endings: Sequence[str]) -> Path:
    """The one file of a folder whose name has one of the endings, "" for none; hidden ones do not count.

    Raises:
      UsageError: there is none, or several.
    """
    files = sorted(f for f in folder.iterdir() if f.is_file() and f.suffix in endings and not f.name.startswith("."))
    if len(files) == 1:
        return files[0]
    have = f"has {', '.join(file.name for file in files)}" if files else "has none"
    bare = "without ending or " if "" in endings else ""
    named = ", ".join(filter(None, endings))
    raise UsageError(
        f"--weights {folder}: needed is one file of the reference's, its name {bare}with {named}; the folder {have}"
    )


def export_folder(folder: Path) -> Path:
    """Makes the folder of an export, and returns it.

    Raises:
      UsageError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--export {folder}: cannot be written: {error.strerror or error}") from error
    return folder
