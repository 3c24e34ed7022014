"""Small trees of pictures for the tests of sources, and the sets prepared from them."""

import os
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from PIL import Image

REAL = Path(os.environ.get("FER_JAX_REAL_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))


def picture(file, value=0, size=(12, 10), grey=False):
    """Writes a picture whose first pixel tells which one it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if grey else "RGB", size, value if grey else (value, 0, 0)).save(file)


def prepared(builder):
    """{split: [example with its label names]} of the prepared builder, in order."""
    builder.download_and_prepare(file_format="array_record")
    found = {}
    for split in builder.info.splits:
        found[split] = [dict(example) for example in builder.as_data_source(split)]
        for example in found[split]:
            example["file"] = example["file"].decode()
            if "expression" in example:
                example["expression"] = builder.info.features["expression"].int2str(int(example["expression"]))
    return found


def column(examples, name):
    return [example[name] for example in examples]


def maker(tmp_path):
    """Makes builders on <tmp_path>/files with their sets in <tmp_path>/tfds."""
    (tmp_path / "files").mkdir()

    def call(source, name="files", **options):
        return source.builder(data_dir=str(tmp_path / "tfds"), path=str(tmp_path / name), **options)

    call.root = tmp_path / "files"
    return call


def pickled(file, content, kind, module="__main__", protocol=4):
    """Writes {list name: [attributes]} as a script whose class `kind` is of `module` pickles its objects."""
    made = type(kind, (), {"__module__": module, "__qualname__": kind})

    def record(attributes):
        one = made()
        one.__dict__.update(attributes)
        return one

    records = {name: [record(attributes) for attributes in listed] for name, listed in content.items()}
    with mock.patch.dict(sys.modules, {module: SimpleNamespace(**{kind: made})}):
        file.write_bytes(pickle.dumps(records, protocol))
