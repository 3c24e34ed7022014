"""Data sets by name."""

import functools

from fer_jax.data import registry
from fer_jax.rendered import data_set as rendered_faces


def test_a_set_that_another_process_prepares_meanwhile_is_read(tmp_path, monkeypatch):
    """Its builder was made when nothing was there yet, and TFDS does not look again."""
    make = rendered_faces.builder

    @functools.wraps(make)
    def overtaken(**given):
        builder = make(**given)
        make(**given).download_and_prepare(file_format="array_record")
        return builder

    monkeypatch.setattr(rendered_faces, "builder", overtaken)
    options = {"image_size": 16, "identities": 8, "pictures": 2}
    found = registry.open_source("rendered_faces", data_dir=str(tmp_path), skip_bad=False, path="", options=options)
    assert sum(split.num_examples for split in found.info.splits.values()) == 16
