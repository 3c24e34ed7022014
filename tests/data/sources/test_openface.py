"""OpenFace's output: tables, aligned pictures, splits by table, and everything that may be wrong with them."""

import logging
import weakref

import numpy as np
import pytest
from PIL import Image
from tensorflow_datasets.core import shuffle

from fer_jax.core.errors import UsageError
from fer_jax.core.labels import AU_NUMBERS
from fer_jax.data import manual, registry
from fer_jax.data.sources import openface
from fer_jax.data.table import Records
from tests.data.sources.manual_trees import column, maker, prepared

SIZE = 16
AU_COLUMNS = [f"AU{au:02d}_{kind}" for kind in "rc" for au in AU_NUMBERS]
HEADER = ["frame", "face_id", "timestamp", "confidence", "success", "x_0", "x_12", *AU_COLUMNS, "AU28_c"]


@pytest.fixture
def make(tmp_path):
    call = maker(tmp_path)

    def builder(**options):
        return call(openface, size=options.pop("size", SIZE), **options)

    builder.root = call.root
    return builder


def row(frame, **changed):
    """A row as OpenFace writes it: intensity i/4 and presence i % 2 for the i-th AU."""
    values = {"frame": frame, "face_id": 0, "timestamp": 0.04, "confidence": 0.98, "success": 1, "x_0": 1.5, "x_12": 2}
    values |= {f"AU{au:02d}_r": f"{i / 4:.2f}" for i, au in enumerate(AU_NUMBERS)}
    values |= {f"AU{au:02d}_c": f"{i % 2:.2f}" for i, au in enumerate(AU_NUMBERS)}
    return {**values, "AU28_c": "0.00", **changed}


def write(root, part, rows, *, name="EmotioNet", header=HEADER, pictures=None, suffix=".bmp", size=SIZE):
    """A table, and a picture for each of its rows (or for the frames given) whose first pixel is the frame."""
    folder = root / part / "processed"
    aligned = folder / f"{name}_aligned"
    aligned.mkdir(parents=True, exist_ok=True)
    lines = [", ".join(header), *(", ".join(str(values[name]) for name in header) for values in rows)]
    (folder / f"{name}.csv").write_text("\n".join([*lines, ""]))
    for frame in [values["frame"] for values in rows] if pictures is None else pictures:
        Image.new("RGB", (size, size), (int(frame), 7, 0)).save(aligned / f"frame_det_00_{int(frame):06d}{suffix}")


def whole(root, parts=4, rows=2):
    for i in range(parts):
        write(root, f"part{i}", [row(10 * i + j + 1) for j in range(rows)])


def everything(found):
    return [example for examples in found.values() for example in examples]


@pytest.mark.parametrize("columns", ["presence", "intensity"])
def test_what_is_read(make, columns, caplog):
    caplog.set_level(logging.INFO)
    whole(make.root)
    (make.root / ".git").mkdir()
    found = prepared(make(columns=columns))
    assert list(found) == list(openface.SPLITS) and len(everything(found)) == 8
    by_file = {example["file"]: example for example in everything(found)}
    example = by_file["part2/processed/EmotioNet.csv frame 22 (row 1)"]
    assert example["image"].shape == (SIZE, SIZE, 3) and example["image"][0, 0].tolist() == [22, 7, 0]
    expected = np.arange(17) % 2 if columns == "presence" else np.arange(17) / 4
    np.testing.assert_array_equal(example["aus"], expected.astype(np.float32))
    assert example["aus"].dtype == np.float32 and example["part"] == b"part2"
    kind = {"presence": "r", "intensity": "c"}[columns]
    said = [line for line in caplog.messages if "not read" in line]
    others = ["face_id", "timestamp", "x_#", f"AU#_{kind}", *(["AU#_c"] if columns == "presence" else [])]
    assert said == [f"openface: columns that are not read (# is a number): {', '.join(others)}"]
    assert "dropped" not in caplog.text and "left out" not in caplog.text


def test_names_endings_and_many_tables_a_part(make):
    write(make.root, "b", [row(1)], name="x.y", suffix=".png")
    write(make.root, "a", [row(2)], name="x", suffix=".jpg")
    write(make.root, "a", [row(3), row(1234567)], name="w w", pictures=[3])
    Image.new("RGB", (SIZE, SIZE)).save(make.root / "a/processed/w w_aligned/frame_det_00_1234567.bmp")
    names = sorted(column(everything(prepared(make())), "file"))
    assert names == [
        "a/processed/w w.csv frame 1234567 (row 1)", "a/processed/w w.csv frame 3 (row 0)",
        "a/processed/x.csv frame 2 (row 0)", "b/processed/x.y.csv frame 1 (row 0)",
    ]  # fmt: skip


def test_success_and_confidence(make, caplog):
    caplog.set_level(logging.INFO)
    rows = [row(1), row(2, success=0), row(3, confidence=0.5), row(4, confidence="nan"), row(5, success=0)]
    for part in "abc":
        write(make.root, part, rows, pictures=[1, 3])
    builder = make(min_confidence=0.8)
    assert [len(examples) for examples in prepared(builder).values()] == [1, 1, 1]
    assert manual.dropped(builder) == {s: {"without success": 2, "of confidence below 0.8": 2} for s in openface.SPLITS}
    assert caplog.text.count("dropped 2 without success, 2 of confidence below 0.8") == 3
    assert [len(examples) for examples in prepared(make()).values()] == [2, 2, 2]


# ---- splits ---------------------------------------------------------------------------------------------------------


def test_a_table_is_in_one_split(make):
    whole(make.root, parts=10, rows=3)
    found, again = prepared(make()), prepared(make())
    parts = {split: set(column(examples, "part")) for split, examples in found.items()}
    assert {split: len(names) for split, names in parts.items()} == {"train": 7, "validation": 1, "test": 2}
    assert set.union(*parts.values()) == {f"part{i}".encode() for i in range(10)}
    assert {s: column(e, "file") for s, e in found.items()} == {s: column(e, "file") for s, e in again.items()}
    assert column(found["train"], "file") == sorted(column(found["train"], "file"))
    others = [set(column(prepared(make(split_seed=seed))["test"], "part")) for seed in (1, 2)]
    assert any(other != parts["test"] for other in others)


@pytest.mark.parametrize("sizes", [[1, 1, 1], [5] * 15, [1000, 1, 1, 1], [1, 90, 30, 60, 10, 10], list(range(1, 41))])
@pytest.mark.parametrize("seed", range(4))
def test_allotment(sizes, seed):
    splits = openface.allot(sizes, seed)
    assert sorted(sum(splits.values(), [])) == list(range(len(sizes)))
    assert all(found and found == sorted(found) for found in splits.values())
    assert int(np.argmax(sizes)) in splits["train"]
    for split, share in openface.SHARES.items():
        apart = abs(sum(sizes[i] for i in splits[split]) - share * sum(sizes))
        assert len(splits[split]) == 1 or apart <= max(sizes) / 2 + 1e-9 or len(splits["train"]) == 1
    assert splits == openface.allot(sizes, seed)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 10, 101])
def test_blocks(rows):
    found = openface.blocks(rows)
    assert [i for split in openface.SPLITS for i in found[split]] == list(range(rows))
    assert rows < 3 or all(found.values())


def test_few_tables_are_cut_into_blocks(make, caplog):
    caplog.set_level(logging.INFO)
    write(make.root, "a", [row(i, success=int(i % 3 > 0)) for i in range(1, 31)])
    builder = make()
    found = prepared(builder)
    frames = {split: [int(e["image"][0, 0, 0]) for e in examples] for split, examples in found.items()}
    usable = [i for i in range(1, 31) if i % 3]
    assert frames == {"train": usable[:14], "validation": usable[14:16], "test": usable[16:]}
    assert sum(counts["without success"] for counts in manual.dropped(builder).values()) == 10
    assert "openface: 1 tables are too few to be split" in caplog.text


def test_through_the_registry(make, tmp_path):
    whole(make.root)
    where = {"data_dir": str(tmp_path / "fresh"), "path": str(make.root), "skip_bad": True}
    builder = registry.open_source("openface", options={"size": SIZE, "columns": "intensity"}, **where)
    aus = Records(builder).column("aus")
    assert aus.shape == (8, 17) and aus.max() == 4


# ---- what may be wrong ----------------------------------------------------------------------------------------------


def remove_column(root):
    write(root, "bad", [row(1)], header=[name for name in HEADER if name not in ("AU05_c", "success")])


def empty_table(root):
    write(root, "bad", [row(1, success=0), row(2, success=0)])


def part_without_table(root):
    (root / "bad" / "processed").mkdir(parents=True)


def damage(root):
    write(root, "bad", [row(1), row(9)])
    (root / "bad/processed/EmotioNet_aligned/frame_det_00_000009.bmp").write_bytes(b"BM no picture")


def of_another_size(root):
    write(root, "bad", [row(1), row(9)])
    Image.new("RGB", (SIZE, 8)).save(root / "bad/processed/EmotioNet_aligned/frame_det_00_000009.bmp")


BAD = {
    "columns": (remove_column, "EmotioNet.csv: it has no column success, AU05_c", "tables without columns"),
    "empty": (empty_table, "bad/processed/EmotioNet.csv: it has no usable row", "tables without usable rows"),
    "part": (part_without_table, "bad: it has no processed/*.csv", "parts without tables"),
    "picture": (
        lambda root: write(root, "bad", [row(1), row(9)], pictures=[1]),
        "EmotioNet.csv frame 9 (row 1): there is no ",
        "frames without a picture",
    ),
    "damaged": (damage, "EmotioNet.csv frame 9 (row 1): it cannot be decoded", "bad pictures"),
    "size": (of_another_size, "EmotioNet.csv frame 9 (row 1): its picture is 16 x 8, not 16 x 16", "of another size"),
    **{
        name: (
            lambda root, changed=changed: write(root, "bad", [row(1), row(9) | changed], pictures=[1, 9]),
            f"EmotioNet.csv frame {changed.get('frame', 9)} (row 1): {text}",
            "bad rows",
        )
        for name, changed, text in (
            ("nan", {"AU12_c": "nan"}, "AU12_c is 'nan', not a number"),
            ("text", {"AU12_c": "-"}, "AU12_c is '-', not a number"),
            ("half", {"AU45_c": "0.5"}, "AU45_c is '0.5', neither 0 nor 1"),
            ("frame", {"frame": 0}, "frame is '0', not a whole number"),
            ("frame_text", {"frame": "x"}, "frame is 'x', not a number"),
            ("success", {"success": "yes"}, "success is 'yes', not a number"),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input(make, kind, caplog):
    """Refused with file and row; or left out, named, and counted by reason."""
    spoil, says, reason = BAD[kind]
    whole(make.root)
    spoil(make.root)
    with pytest.raises(UsageError) as caught:
        prepared(make())
    assert says in str(caught.value) and str(make.root) in str(caught.value) and "skip_bad" in str(caught.value)
    builder = make(skip_bad=True)
    names = column(everything(prepared(builder)), "file")
    assert len(names) == 8 + (kind not in ("columns", "empty", "part"))
    assert len(manual.skipped(builder)) == 1 and manual.skipped(builder)[0] in says + str(caught.value)
    assert f": left out 1 {reason}: ['bad" in caplog.text or f"left out 1 pictures {reason}" in caplog.text


@pytest.mark.parametrize("value", ["5.01", "-0.01", "inf"])
def test_intensities_out_of_range(make, value):
    whole(make.root)
    write(make.root, "part0", [row(1), row(2, AU20_r=value)])
    with pytest.raises(UsageError, match=r"part0/processed/EmotioNet\.csv frame 2 \(row 1\): AU20_r is"):
        prepared(make(columns="intensity"))
    assert len(everything(prepared(make()))) == 8  # the other columns do not matter


def test_reasons_survive_other_processes(make, caplog):
    """With more pictures than `pool.FEW` they are read by several processes."""
    write(make.root, "a", [row(i) for i in range(1, 101)], pictures=range(3, 101))
    builder = make(skip_bad=True)
    found = prepared(builder)
    assert [len(found[split]) for split in openface.SPLITS] == [68, 10, 20]
    assert "train: left out 2 frames without a picture" in caplog.text


def test_a_table_that_is_cut_off(make):
    whole(make.root)
    file = make.root / "part1/processed/EmotioNet.csv"
    file.write_text(file.read_text()[:-30])
    with pytest.raises(UsageError, match=r"part1/processed/EmotioNet\.csv: row 1: \d+ columns, not \d+; is the file"):
        prepared(make())


def test_mistakes(make, tmp_path):
    for options, says in (
        ({"columns": "r"}, "columns='r'; give 'presence' or 'intensity'"),
        ({"min_confidence": 2.0}, "min_confidence=2.0"),
        ({"size": 0}, "size=0"),
        ({"split_seed": -1}, "split_seed=-1"),
        ({}, r"no <part>/processed/\*\.csv in"),
    ):
        with pytest.raises(UsageError, match=says):
            make(**options)
    whole(make.root)
    with pytest.raises(UsageError, match="is not the folder above the parts"):
        openface.builder(data_dir=str(tmp_path), path=str(make.root / "part0"))
    with pytest.raises(UsageError, match="nothing at .*openface: a folder with OpenFace's output is needed"):
        openface.builder(data_dir=str(tmp_path / "none"))


def test_changed_files_are_prepared_anew(make):
    whole(make.root)
    names = [make().config.name, make(min_confidence=0.5).config.name, make(columns="intensity").config.name]
    (make.root / "part0/processed/EmotioNet_aligned/frame_det_00_000001.bmp").unlink()
    names.append(make().config.name)
    write(make.root, "part0", [row(1)])
    names.append(make().config.name)
    (make.root / "part9").mkdir()
    names.append(make().config.name)
    assert len(set(names)) == len(names) and make().config.name == names[-1]


def test_rows_are_made_as_they_are_read(make):
    """None is held once the next one is asked for, so memory does not grow with their number."""
    write(make.root, "a", [row(i) for i in range(1, 201)], pictures=[])
    made = []
    for listed in make()._rows().values():
        for one in listed:
            made.append(weakref.ref(one))
            del one
            assert sum(ref() is not None for ref in made) <= 1
    assert len(made) == 200


def test_many_pictures_are_sorted_in_files(make, monkeypatch):
    """Past what TFDS holds in memory they keep their order, and no file has more than its share."""
    whole(make.root, parts=3, rows=50)
    expected = prepared(make())
    lengths = []

    def read(bucket, whole=shuffle._Bucket.read_values):
        lengths.append(len(bucket))
        return whole(bucket)

    monkeypatch.setattr(openface, "_HELD", 0)
    monkeypatch.setattr(openface, "_FILES", 10)
    monkeypatch.setattr(shuffle._Bucket, "read_values", read)
    found = prepared(make(split_seed=1)) | prepared(make(min_confidence=0.01))
    assert sorted(length for length in lengths if length) == [5] * 60
    assert {split: column(e, "file") for split, e in found.items()} == {
        s: column(e, "file") for s, e in expected.items()
    }
    assert shuffle.MAX_MEM_BUFFER_SIZE > 1 << 29
