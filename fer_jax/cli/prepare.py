"""Prepares the data sets of a config without training, and reports what is in them.

fer-jax prepare --config=configs/tdgan.py:raf_db --sheet=faces.png

Prints for each stream where the prepared set lies, the pictures of each split and class, and what was left out. The
sheet shows some training pictures of each class as training sees them, so with its crops and flips.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging
from PIL import Image

from fer_jax.cli import common

_COLUMNS = 12  # classes shown of a label with many


def report(data: Any) -> Iterator[str]:
    """Lines about opened data."""
    from fer_jax.data.manual import dropped, skipped, tally

    for stream, tables in data.tables.items():
        records = next(iter(tables.values())).records
        yield f"{stream}: {records.name}, in {records.builder.data_dir}"
        for split, table in tables.items():
            yield f"  {split}: {len(table)} pictures"
            yield from (f"    {line}" for line in _labels(table))
        if left_out := skipped(records.builder):
            more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""
            yield f"  left out, since they cannot be decoded: {len(left_out)}: {', '.join(left_out[:5])}{more}"
        for split, counts in dropped(records.builder).items():
            yield f"  dropped from {split} by the data set's rules: {tally(counts)}"


def _labels(table: Any) -> Iterator[str]:
    from fer_jax.data.splits import class_counts

    for field, column in table.labels.items():
        if field in table.classes and field != "identity":
            yield f"{field}: " + ", ".join(f"{name} {count}" for name, count in class_counts(table, field).items())
        elif np.issubdtype(column.dtype, np.integer) and column.ndim == 1:
            counts = np.unique(column, return_counts=True)[1]
            yield f"{field}: {len(counts)} different, {counts.min()} to {counts.max()} pictures each"
        else:
            yield f"{field}: {column.min():.3g} to {column.max():.3g}, mean {column.mean():.3g}"


def sheet(data: Any, *, rows: int) -> Image.Image:
    """`rows` training pictures of each class as training sees them, the streams one below the other.

    A label with many classes shows its first 12; a stream without classes is spread over `rows` pictures of all.
    """
    from fer_jax.cli.pictures import table_pictures
    from fer_jax.data.random_views import view
    from fer_jax.report import images

    config, parts = data.config, []
    for stream, tables in data.tables.items():
        table = tables["train"]
        pixels = view(config.streams[stream].train_view, image_size=config.image_size, channels=config.channels)
        chosen = _choose(table, rows)
        seen = table_pictures(table, np.concatenate(list(chosen.values())), pixels)
        columns, start = {}, 0
        for name, positions in chosen.items():
            column = np.ones((rows, *seen.shape[1:]), np.float32)  # white below the pictures of a small class
            column[: len(positions)] = seen[start : start + len(positions)]
            columns[name], start = column, start + len(positions)
        parts.append(images.sheet(columns))
    whole = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return whole


def _choose(table: Any, rows: int) -> dict[str, np.ndarray]:
    """Title of a class -> positions of up to `rows` of its pictures, spread over the table."""
    from fer_jax.data.table import spread

    fields = [field for field in table.labels if field in table.classes]
    if not fields:
        return {"all": spread(len(table), rows)}
    column, names = table.labels[fields[0]], table.classes[fields[0]]
    chosen = {}
    for label in np.unique(column)[:_COLUMNS]:
        own = np.flatnonzero(column == label)
        title = f"{fields[0]} {names[int(label)]}" if fields[0] == "identity" else names[int(label)]
        chosen[title] = own[spread(len(own), rows)]
    return chosen


def define_flags() -> None:
    """The flags."""
    common.define_config()
    flags.DEFINE_string("sheet", None, "Picture to draw a contact sheet into; default: none.")
    flags.DEFINE_integer("rows", 4, "Pictures of each class on the sheet.", lower_bound=1)


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    config = common.config("configs/tdgan.py:raf_db")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.data.opening import open_data

    data = open_data(config)
    for line in report(data):
        print(line)
    if given.sheet:
        from fer_jax.inference.images import write_picture

        write_picture(sheet(data, rows=given.rows), Path(given.sheet))
        logging.info("written: %s", given.sheet)
