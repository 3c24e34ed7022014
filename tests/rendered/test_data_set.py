"""The TFDS builder of the rendered faces, on a tiny set."""

import numpy as np
import pytest

tfds = pytest.importorskip("tensorflow_datasets")

from fer_jax.rendered import data_set as rendered_faces  # noqa: E402
from fer_jax.rendered import population  # noqa: E402

OPTIONS = {"image_size": 16, "identities": 5, "pictures": 7, "seed": 3}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    builder = rendered_faces.builder(data_dir=str(tmp_path_factory.mktemp("tfds")), **OPTIONS)
    builder.download_and_prepare(file_format="array_record")
    return builder


@pytest.fixture(scope="module")
def examples(prepared):
    return {split: list(prepared.as_data_source(split=split)) for split in ("train", "validation", "test")}


def test_counts_and_format(prepared, examples):
    assert {name: len(rows) for name, rows in examples.items()} == {"train": 21, "validation": 7, "test": 7}
    assert {name: info.num_examples for name, info in prepared.info.splits.items()} == {
        "train": 21, "validation": 7, "test": 7}  # fmt: skip
    assert prepared.info.file_format.value == "array_record"
    assert prepared.builder_config.name == "s16_i5_p7_r3" and str(prepared.version) == "1.0.0"


def test_splits_share_no_identity(examples):
    people = {split: {int(row["identity"]) for row in rows} for split, rows in examples.items()}
    assert not people["train"] & people["validation"] and not people["train"] & people["test"]
    assert not people["validation"] & people["test"] and set().union(*people.values()) == set(range(5))


@pytest.mark.parametrize("count", [3, 4, 10, 200, 1001])
def test_split_sizes(count):
    splits = rendered_faces.split_identities(count)
    assert min(len(part) for part in splits.values()) >= 1
    assert sorted(person for part in splits.values() for person in part) == list(range(count))
    if count >= 200:
        assert [round(len(part) / count, 2) for part in splits.values()] == [0.7, 0.1, 0.2]


def test_classes_are_balanced_within_an_identity(examples):
    for rows in examples.values():
        for person in {int(row["identity"]) for row in rows}:
            labels = [int(row["expression"]) for row in rows if int(row["identity"]) == person]
            assert sorted(labels) == list(range(7))


def test_stored_examples_are_what_the_seed_says(examples):
    row = examples["test"][0]
    name = row["file"].decode() if isinstance(row["file"], bytes) else row["file"]
    person, picture = (int(part[1:]) for part in name.split("_"))
    spec = population.sample(OPTIONS["seed"], person, picture)
    assert person == row["identity"] and spec.expression == row["expression"]
    assert np.array_equal(row["image"], population.render(spec, 16))
    for name in ("aus", "pose", "light", "identity_vector"):
        assert np.array_equal(row[name], getattr(spec, name))
    assert row["valence"] == np.float32(spec.valence) and row["arousal"] == np.float32(spec.arousal)


def test_a_second_request_renders_nothing(prepared, monkeypatch):
    monkeypatch.setattr(rendered_faces.population, "render_all", lambda *_: pytest.fail("rendered again"))
    again = rendered_faces.builder(data_dir=str(prepared.data_dir).split("/rendered_faces/")[0], **OPTIONS)
    again.download_and_prepare(file_format="array_record")
    assert again.info.splits["train"].num_examples == 21


@pytest.mark.parametrize("option, value", [
    ("image_size", 8), ("image_size", 5000), ("identities", 2), ("pictures", 0), ("seed", -1), ("pictures", True)
])  # fmt: skip
def test_a_bad_option_is_named(option, value, tmp_path):
    with pytest.raises(ValueError, match=option):
        rendered_faces.builder(data_dir=str(tmp_path), **{option: value})


def test_the_default_size(tmp_path):
    """What a config without variant asks for: TFDS knows that one by name."""
    builder = rendered_faces.builder(data_dir=str(tmp_path))
    assert builder.builder_config.name == "s128_i200_p20_r0" and builder.info.features["image"].shape == (128, 128, 3)
