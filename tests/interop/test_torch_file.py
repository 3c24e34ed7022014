"""torch.save files, zip and legacy, against the known content of fixtures that torch 2.13.0 wrote."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.interop.torch_file import load_state_dict, save_state_dict

FIXTURES = Path(__file__).parent / "fixtures"
BASE = np.arange(24, dtype=np.float32).reshape(4, 6)


def rewritten(tmp_path, source, change):
    """A copy of a zip fixture in which `change(name, data)` gives each member's new data."""
    out = tmp_path / "changed.pt"
    with zipfile.ZipFile(FIXTURES / source) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return out


@pytest.mark.parametrize("name", ["zip.pkl", "legacy.pkl"])
def test_state_dict(name):
    found = load_state_dict(FIXTURES / name)
    assert list(found) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked",
    ]  # fmt: skip
    np.testing.assert_array_equal(found["0.weight"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(found["1.bias"], [30, 31])
    assert found["0.weight"].dtype == np.float32 and found["1.num_batches_tracked"].shape == ()


@pytest.mark.parametrize("name", ["types.pt", "types_legacy.pt"])
def test_types(name):
    found = load_state_dict(FIXTURES / name)
    np.testing.assert_array_equal(found.pop("negative"), np.array([-1.5, 2.25], np.float32))
    assert len(found) == 10
    for kind, array in found.items():
        assert array.dtype == np.dtype("float32" if kind == "bfloat16" else kind)
        np.testing.assert_array_equal(array, np.array([0, 1, 2, 100]).astype(array.dtype))


@pytest.mark.parametrize("name", ["views.pt", "views_legacy.pt"])
def test_views_of_one_storage(name):
    found = load_state_dict(FIXTURES / name)
    expected = {
        "whole": BASE, "transposed": BASE.T, "column": BASE[:, 2], "block": BASE[1:3, 2:5],
        "expanded": np.ones((2, 3)), "scalar": BASE[3, 5], "empty": BASE[:0],
    }  # fmt: skip
    assert list(found) == list(expected)
    for key, array in expected.items():
        assert found[key].shape == array.shape and found[key].flags.writeable
        np.testing.assert_array_equal(found[key], array)


def test_nested_stays_nested():
    found = load_state_dict(FIXTURES / "nested.pt")
    assert found["epoch"] == 3 and found["best"] == 0.5 and found["names"] == ["a", "b"]
    np.testing.assert_array_equal(found["state_dict"]["0.bias"], [10, 11])
    np.testing.assert_array_equal(found["p"], [10, 11])  # a Parameter
    assert found["opt"]["param_groups"][0]["betas"] == (0.9, 0.999)
    np.testing.assert_array_equal(found["opt"]["state"][0]["step"], 1)


def test_saved_on_a_gpu(tmp_path):
    def change(name, data):
        return data.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0") if name.endswith("data.pkl") else data

    out = rewritten(tmp_path, "zip.pkl", change)
    assert b"cuda:0" in out.read_bytes()
    np.testing.assert_array_equal(load_state_dict(out)["0.bias"], [10, 11])


def test_big_endian(tmp_path):
    def change(name, data):
        if name.endswith("byteorder"):
            return b"big"
        return np.frombuffer(data, "<f4").astype(">f4").tobytes() if name.endswith("data/0") else data

    np.testing.assert_array_equal(load_state_dict(rewritten(tmp_path, "views.pt", change))["whole"], BASE)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("sparse.pt", "torch._utils._rebuild_sparse_tensor"),
        ("quantised.pt", "torch._utils._rebuild_qtensor"),
        ("module.pt", "torch.nn.modules"),
    ],
)
def test_other_objects_are_refused_by_name(name, what):
    with pytest.raises(UsageError, match=rf"{name}.*refused: it would run {what}"):
        load_state_dict(FIXTURES / name)


def crafted(tmp_path, size, stride, offset=0, numel=4, raw=bytes(16), name=b"FloatStorage"):
    """A zip file with one tensor of the given geometry."""

    def pickled(value):
        return pickle.dumps(value, 2)[2:-1]

    data = b"\x80\x02}" + pickled("t") + b"ctorch._utils\n_rebuild_tensor_v2\n("
    data += (
        b"(" + pickled("storage") + b"ctorch\n" + name + b"\n" + pickled("0") + pickled("cpu") + pickled(numel) + b"tQ"
    )
    data += pickled(offset) + pickled(size) + pickled(stride) + b"\x89N" + b"tRs."
    with zipfile.ZipFile(tmp_path / "crafted.pt", "w") as archive:
        archive.writestr("a/data.pkl", data)
        archive.writestr("a/data/0", raw)
    return tmp_path / "crafted.pt"


def test_crafted_file_is_otherwise_fine(tmp_path):
    assert load_state_dict(crafted(tmp_path, (2, 2), (2, 1)))["t"].shape == (2, 2)


@pytest.mark.parametrize(
    "geometry",
    [
        {"size": (2, 3), "stride": (2, 1)},
        {"size": (2, 2), "stride": (2, 1), "offset": 1},
        {"size": (2, 2), "stride": (2, 1), "offset": -1},
        {"size": (2,), "stride": (-1,), "offset": 3},
        {"size": (-2,), "stride": (1,)},
        {"size": (2, 2), "stride": (1,)},
        {"size": (2,), "stride": (1 << 62,)},
        {"size": (1 << 40,), "stride": (0,)},
        {"size": (2.0,), "stride": (1,)},
        {"size": (2,), "stride": (1,), "numel": 5},
        {"size": (2,), "stride": (1,), "numel": -1},
        {"size": (0, 1 << 62, 8), "stride": (1, 1, 1)},
        {"size": (1,) * 65, "stride": (1,) * 65},
    ],
)
def test_tensors_beyond_their_storage_are_refused(tmp_path, geometry):
    with pytest.raises(UsageError, match=r"crafted\.pt.*not read"):
        load_state_dict(crafted(tmp_path, **geometry))


def test_unknown_storage_is_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match=r"crafted\.pt.*torch\.QInt8Storage"):
        load_state_dict(crafted(tmp_path, (2,), (1,), name=b"QInt8Storage"))


def test_hostile_zip_does_not_run(tmp_path):
    canary = tmp_path / "canary"

    def change(name, data):
        return f"cos\nsystem\n(S'touch {canary}'\ntR.".encode() if name.endswith("data.pkl") else data

    with pytest.raises(UsageError, match=r"it would run os\.system"):
        load_state_dict(rewritten(tmp_path, "zip.pkl", change))
    assert not canary.exists()


def test_hostile_legacy_does_not_run(tmp_path):
    canary, file = tmp_path / "canary", tmp_path / "bad.pkl"
    whole = (FIXTURES / "legacy.pkl").read_bytes()
    stream = io.BytesIO(whole)
    for _ in range(3):  # magic number, protocol and system stay
        pickle.load(stream)
    file.write_bytes(whole[: stream.tell()] + f"cos\nsystem\n(S'touch {canary}'\ntR.".encode())
    with pytest.raises(UsageError, match=r"bad\.pkl.*it would run os\.system"):
        load_state_dict(file)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["zip.pkl", "legacy.pkl", "views_legacy.pt"])
def test_truncated(tmp_path, name):
    whole, file = (FIXTURES / name).read_bytes(), tmp_path / "cut.pkl"
    for length in range(0, len(whole), 23):
        file.write_bytes(whole[:length])
        with pytest.raises(UsageError, match=r"cut\.pkl"):
            load_state_dict(file)


@pytest.mark.parametrize("name", ["views.pt", "views_legacy.pt", "nested.pt"])
def test_random_damage_never_escapes(tmp_path, name):
    rng, file = np.random.default_rng(0), tmp_path / "noise.pt"
    data = np.frombuffer((FIXTURES / name).read_bytes(), np.uint8)
    for _ in range(150):
        noisy = data.copy()
        noisy[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
        file.write_bytes(noisy.tobytes())
        try:
            load_state_dict(file)
        except UsageError:
            pass  # anything else fails the test


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(UsageError, match=r"none\.pkl: cannot be read"):
        load_state_dict(tmp_path / "none.pkl")
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1], 2))
    np.savez(tmp_path / "a.npz", x=np.zeros(2))
    lost = rewritten(tmp_path, "zip.pkl", lambda name, data: None if name.endswith("data/0") else data)
    for file, reason in ((tmp_path / "list.pkl", "not a file"), (tmp_path / "a.npz", "data.pkl"), (lost, "is missing")):
        with pytest.raises(UsageError, match=reason):
            load_state_dict(file)


ARRAYS = OrderedDict(
    [
        ("conv.weight", np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)),
        ("steps", np.int64(7)),
        ("mask", np.array([True, False])),
        ("half", np.array([1.5, -2], np.float16)),
        ("big", np.array([1, 2], ">i4")),
        ("ünï", np.zeros((0, 3), np.float64)),
    ]
)


def test_round_trip(tmp_path):
    save_state_dict(tmp_path / "a.pkl", ARRAYS)
    found = load_state_dict(tmp_path / "a.pkl")
    assert list(found) == list(ARRAYS) and isinstance(found, OrderedDict)
    for name, array in ARRAYS.items():
        assert found[name].dtype == np.asarray(array).dtype.newbyteorder("=") and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)
    assert [p.name for p in tmp_path.iterdir()] == ["a.pkl"]


def test_written_file_is_what_torch_writes(tmp_path):
    """The same names, calls and bytes as torch's own file (which torch.load was seen to accept), layout aside."""
    save_state_dict(tmp_path / "a.pkl", load_state_dict(FIXTURES / "zip.pkl"))
    with zipfile.ZipFile(tmp_path / "a.pkl") as ours, zipfile.ZipFile(FIXTURES / "zip.pkl") as theirs:
        assert {"archive/data.pkl", "archive/version", "archive/byteorder", "archive/data/0"} <= set(ours.namelist())
        assert all(info.compress_type == zipfile.ZIP_STORED for info in ours.infolist())
        for i in range(7):
            assert ours.read(f"archive/data/{i}") == theirs.read(f"zip/data/{i}")
        assert trace(ours.read("archive/data.pkl")) == trace(theirs.read("zip/data.pkl"))


def trace(data):
    """The calls that unpickling would make, as text."""

    class Recorder(pickle.Unpickler):
        def find_class(self, module, name):
            if module == "collections":
                return OrderedDict
            return (lambda *args: repr((name, args))) if name.startswith("_") else f"{module}.{name}"

        def persistent_load(self, pid):
            return repr(pid)

    return repr(Recorder(io.BytesIO(data)).load())


def test_writing_is_repeatable(tmp_path):
    save_state_dict(tmp_path / "a.pkl", ARRAYS)
    save_state_dict(tmp_path / "b.pkl", ARRAYS)
    assert (tmp_path / "a.pkl").read_bytes() == (tmp_path / "b.pkl").read_bytes()


def test_a_checkpoint_has_its_state_dict_under_a_name(tmp_path):
    save_state_dict(tmp_path / "a.pkl", {"w": np.arange(3.0)}, under="model_state_dict")
    content = load_state_dict(tmp_path / "a.pkl")
    assert list(content) == ["model_state_dict"]
    np.testing.assert_array_equal(content["model_state_dict"]["w"], np.arange(3.0))


def test_writing_refuses_other_types_by_name(tmp_path):
    with pytest.raises(UsageError, match=r"phase has type complex128"):
        save_state_dict(tmp_path / "a.pkl", {"phase": np.zeros(2, complex)})
    with pytest.raises(UsageError, match=r"cannot be written"):
        save_state_dict(tmp_path / "no" / "a.pkl", {})
    assert not list(tmp_path.iterdir())


def test_legacy_storage_shorter_than_claimed(tmp_path):
    whole = (FIXTURES / "views_legacy.pt").read_bytes()
    record = struct.pack("<q", 24) + BASE.tobytes()
    assert whole.count(record) == 1
    (tmp_path / "a.pt").write_bytes(whole.replace(record, struct.pack("<q", 1 << 60) + BASE.tobytes()))
    with pytest.raises(UsageError, match=r"a\.pt.*should hold 24"):
        load_state_dict(tmp_path / "a.pt")
