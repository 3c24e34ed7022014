"""The readers give what numpy and pickle give, and nothing in a hostile file runs."""

import builtins
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.interop.safe_pickle.files import load_npy, load_npz, load_pickle
from tests.data.sources.manual_trees import pickled

VALUE = {
    "plain": [1, -(2**70), 2.5, 1 + 2j, True, None, "ünï", b"\x00\xff", bytearray(b"x"), (), (1, (2, 3))],
    "ordered": OrderedDict(b=1, a=2),
    "sets": [{1, 2}, frozenset({"a"})],
    "arrays": [
        np.arange(6, dtype=">i2").reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array("x"),
        np.array(["ab", "c"]), np.array([b"ab", b"c"]), np.zeros((0, 3), np.float16), np.array([True, False]),
        np.array([[{"k": [1]}, None], ["s", np.arange(2)]], dtype=object), np.arange(24).reshape(2, 3, 4).T,
    ],
    "scalars": [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("t")],
    "dtype": np.dtype("<f4"),
}  # fmt: skip


def same(a, b):
    """Equal in value, type and structure."""
    assert type(a) is type(b), (a, b)
    if isinstance(a, np.ndarray):
        # numpy itself turns bytes round on reading some protocols; here they stay as the file has them
        assert a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=") and a.shape == b.shape
        if a.dtype != object:
            np.testing.assert_array_equal(a, b)
            return
        a, b = a.ravel().tolist(), b.ravel().tolist()
    if isinstance(a, dict):
        assert list(a) == list(b)
        a, b = list(a.values()), list(b.values())
    if isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
        return
    assert a == b


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("core", ["numpy._core", "numpy.core"])
def test_reads_what_pickle_reads(tmp_path, protocol, core):
    data = pickle.dumps(VALUE, protocol)
    if core == "numpy.core":  # the module's name in numpy 1, with its length where the protocol writes one
        data = data.replace(b"numpy._core", b"numpy.core")
        for name in (b"numpy.core.multiarray", b"numpy.core.numeric"):
            data = data.replace(b"\x8c" + bytes([len(name) + 1]) + name, b"\x8c" + bytes([len(name)]) + name)
    (tmp_path / "v.pkl").write_bytes(data)
    same(load_pickle(tmp_path / "v.pkl"), VALUE)


def test_python_2_strings_are_latin1(tmp_path):
    # what Python 2 writes for {'y': np.array([1, 255], 'u1'), 'n': '\xe9'} with protocols 0 and 2
    array = "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n"
    array += "(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x01\\xff'\ntb"
    (tmp_path / "0.pkl").write_bytes(f"(dS'y'\n{array}sS'n'\nS'\\xe9'\ns.".encode())
    binary = array.encode().replace(b"S'\\x01\\xff'\n", b"U\x02\x01\xff")
    (tmp_path / "2.pkl").write_bytes(b"\x80\x02}U\x01y" + binary + b"sU\x01nU\x01\xe9s.")
    for name in ("0.pkl", "2.pkl"):
        value = load_pickle(tmp_path / name)
        same(value["y"], np.array([1, 255], np.uint8))
        assert value["n"] == "é"


@pytest.mark.parametrize("array", [*VALUE["arrays"], np.array(VALUE, dtype=object), np.zeros(2, "i4,f8")])
def test_npy_and_npz_like_numpy(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", first=array, second=np.arange(3))
    same(load_npy(tmp_path / "a.npy"), np.load(tmp_path / "a.npy", allow_pickle=True))
    found = load_npz(tmp_path / "a.npz")
    assert list(found) == ["first", "second"]
    same(found["first"], np.load(tmp_path / "a.npy", allow_pickle=True))
    assert list(load_npz(tmp_path / "a.npz", ("second",))) == ["second"]
    with pytest.raises(UsageError, match=r"a\.npz: no array 'third'"):
        load_npz(tmp_path / "a.npz", ("third",))


def test_results_can_be_written_to(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(np.zeros(3)))
    for array in (load_npy(tmp_path / "a.npy"), load_pickle(tmp_path / "a.pkl")):
        array[0] = 1


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *args):
        self.parts = (function, args)

    def __reduce__(self):
        return self.parts


def hostile(canary):
    """(name that must be refused, object): each makes the file `canary` if it runs."""
    make = f"open({str(canary)!r}, 'w').close()"
    return {
        "system": (f"{os.system.__module__}.system", Call(os.system, f"touch {canary}")),
        "eval": ("builtins.eval", Call(eval, make)),
        "exec": ("builtins.exec", Call(exec, make)),
        "open": (f"{open.__module__}.open", Call(open, str(canary), "w")),
        "getattr": ("builtins.getattr", Call(getattr, "x", "upper")),
        "numpy": ("numpy.savetxt", Call(np.savetxt, str(canary), [1])),
        "memmap": ("numpy.memmap", Call(np.memmap, str(canary), "u1", "w+", 0, (1,))),
        "load": ("numpy.load", Call(np.load, str(canary))),
    }


NAMES = sorted(hostile("x"))


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("kind", NAMES)
def test_hostile_objects_are_refused_by_name_and_do_not_run(tmp_path, kind, protocol):
    canary = tmp_path / "canary"
    name, bad = hostile(canary)[kind]
    wrapped = np.array({"train_y": bad}, dtype=object)
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps({"a": [bad]}, protocol))
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|O", "fortran_order": False, "shape": ()})
    (tmp_path / "bad.npy").write_bytes(buffer.getvalue() + pickle.dumps(wrapped, protocol))
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.write(tmp_path / "bad.npy", "inner.npy")
    short = name.split(".")[-1]
    for reader, file in ((load_pickle, "bad.pkl"), (load_npy, "bad.npy"), (load_npz, "bad.npz")):
        with pytest.raises(UsageError, match=rf"{file}.*refused: it would run [\w.]*\.{short}; only arrays"):
            reader(tmp_path / file)
    assert not canary.exists()


def test_the_canary_works(tmp_path):
    """The files above would indeed run: with pickle itself the canary appears."""
    canary = tmp_path / "canary"
    pickle.loads(pickle.dumps(hostile(canary)["eval"][1]))
    assert canary.exists()


def g(module, name):
    return f"c{module}\n{name}\n".encode()


ARRAY = g("numpy.core.multiarray", "_reconstruct") + b"(" + g("numpy", "ndarray") + b"(I0\ntS'b'\ntR"
F8 = g("numpy", "dtype") + b"(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
OBJ = g("numpy", "dtype") + b"(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntb"


@pytest.mark.parametrize(
    ("reason", "data"),
    {
        "inst": ("it would run os.system", b"(S'true'\nios\nsystem\n."),
        "obj": ("it would run posix.system", b"(" + g("posix", "system") + b"S'true'\no."),
        "stack_global": ("it would run os.system", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."),
        "dotted": ("it would run numpy.core", b"\x80\x04\x8c\x05numpy\x8c\x11core.multiarray.x\x93."),
        "newobj": ("it would run builtins.object", b"\x80\x02" + g("builtins", "object") + b")\x81."),
        "newobj_ex": ("opcode NEWOBJ_EX", b"\x80\x04" + g("numpy", "dtype") + b")}\x92."),
        "extension": ("opcode EXT1", b"\x80\x02\x82\x01."),
        "buffer": ("opcode NEXT_BUFFER", b"\x80\x05\x97."),
        "persistent": ("outside of the pickle", b"Pabc\n."),
        "copyreg": ("it would run copy_reg._reconstructor", g("copy_reg", "_reconstructor") + b"."),
        "ndarray_call": ("a call of numpy.ndarray", g("numpy", "ndarray") + b"((I9\ntS'O'\ntR."),
        "name_as_value": ("holds numpy.ndarray itself", b"(" + g("numpy", "ndarray") + b"l."),
        "ndarray_subclass": ("numpy.matrix", ARRAY.replace(b"ndarray", b"matrix") + b"."),
        "subclass_token": ("subclass of", ARRAY.replace(g("numpy", "ndarray"), g("numpy", "dtype")) + b"."),
        "never_filled": ("never filled", ARRAY + b"."),
        "codec": ("latin1", g("_codecs", "encode") + b"(S'x'\nS'rot13'\ntR."),
        "codec_object": ("latin1", g("_codecs", "encode") + b"(I1\nS'latin1'\ntR."),
        "bytes_size": ("latin1", g("builtins", "bytes") + b"(I99999999999\ntR."),
        "huge_shape": ("other than", ARRAY + b"(I1\n(L1000000000000L\nt" + F8 + b"I00\nS'x'\ntb."),
        "negative_shape": ("numbers >= 0", ARRAY + b"(I1\n(I-1\nt" + F8 + b"I00\nS''\ntb."),
        "empty_but_huge": ("not read", ARRAY + b"(I1\n(I0\nL4611686018427387904L\nL8L\nt" + F8 + b"I00\nS''\ntb."),
        "objects_as_bytes": ("other than 1 objects", ARRAY + b"(I1\n(I1\nt" + OBJ + b"I00\nS'12345678'\ntb."),
        "object_scalar": ("holds an object", g("numpy.core.multiarray", "scalar") + b"(" + OBJ + b"S'12345678'\ntR."),
        "structured": ("structured", g("numpy", "dtype") + b"(S'f8'\nI0\nI1\ntR(I3\nS'<'\nN(S'a'\nt(dI8\nI8\nI0\ntb."),
        "void": ("dtype", g("numpy", "dtype") + b"(S'V8'\nI0\nI1\ntR."),
        "dtype_list": ("dtype", g("numpy", "dtype") + b"((lI0\nI1\ntR."),
        "array_state": ("without its state", ARRAY + b"S'x'\nb."),
        "build_on_dict": ("attributes for a dict", b"(d(dS'__class__'\nI1\nsb."),
        "cycle": ("hold themselves", b"(lp0\ng0\na."),
        "deep": ("deep", b"(l" * 3000 + b"a" * 2999 + b"."),
        "deep_key": ("key", b"}" + b")" + b"\x85" * 200000 + b"I1\ns."),
        "long_key": ("key", b"}(" + b"I1\n" * 17 + b"tI1\ns."),
        "memo_bomb": ("more data than it holds", b"X" + struct.pack("<I", 300000) + b"x" * 300000 + b"p0\n0"
                      + (g("builtins", "bytearray") + b"(g0\ntR0") * 2000 + b"I1\n."),
        "long_binput": ("byte", b"\x80\x02" + b"I1\nr\xff\xff\xff\xff"),
        "bytearray8": ("byte", b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b"x."),
        "truncated": ("too early", pickle.dumps(VALUE)[:-1]),
        "underflow": ("missing", b"a."),
        "across_a_mark": ("missing", b"I1\n(0R."),
        "empty": ("too early", b""),
        "text": ("not a pickle", b"\x00\x01"),
        "trailing": ("follow the pickle", b"N.N."),
        "line_feed_in_name": (r"run os\?x\.system", b"\x80\x04\x8c\x04os\nx\x8c\x06system\x93."),
    }.values(),
)  # fmt: skip
def test_crafted_pickles_are_refused(tmp_path, reason, data):
    file = tmp_path / "crafted.pkl"
    file.write_bytes(data)
    with pytest.raises(UsageError, match=rf"crafted\.pkl.*{reason}") as caught:
        load_pickle(file)
    assert "\n" not in str(caught.value)


def test_every_truncation_is_a_usage_error(tmp_path):
    file, data = tmp_path / "cut.pkl", pickle.dumps(VALUE, 2)
    for length in range(0, len(data), 7):
        file.write_bytes(data[:length])
        with pytest.raises(UsageError, match=r"cut\.pkl"):
            load_pickle(file)


def test_random_damage_never_escapes(tmp_path):
    rng, file = np.random.default_rng(0), tmp_path / "noise.pkl"
    data = np.frombuffer(pickle.dumps(VALUE, 4), np.uint8)
    for _ in range(300):
        noisy = data.copy()
        noisy[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
        file.write_bytes(noisy.tobytes())
        try:
            load_pickle(file)
        except UsageError:
            pass  # anything else fails the test


def test_npy_damage(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(100))
    whole = (tmp_path / "a.npy").read_bytes()
    for bad, reason in (
        (whole[:-1], "claims shape"),
        (whole.replace(b"(100,)", b"(10**)"), "not read"),
        (whole.replace(b"(100,), }    ", b"(9999999999,)}"), "claims shape"),
        (whole[:20], "not read"),
        (whole.replace(b"}", b"("), "not read"),
        (b"", "not read"),
        (b"PK\x03\x04" + whole, "not read"),
    ):
        (tmp_path / "b.npy").write_bytes(bad)
        with pytest.raises(UsageError, match=rf"b\.npy.*{reason}"):
            load_npy(tmp_path / "b.npy")
    with pytest.raises(UsageError, match=r"none\.npy: cannot be read: No such file"):
        load_npy(tmp_path / "none.npy")


def test_npz_damage(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(100))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:-30])
    flipped = bytearray(whole)
    flipped[250] ^= 255
    (tmp_path / "crc.npz").write_bytes(flipped)
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("x.npy", b"hello")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(6):
            archive.writestr(f"{i}.npy", bytes(50 << 20), compresslevel=1)
    for name, reason in (("cut", "not read"), ("crc", "x: not read.*CRC"), ("text", "x: not read"), ("bomb", "unpack")):
        with pytest.raises(UsageError, match=rf"{name}\.npz: .*{reason}"):
            load_npz(tmp_path / f"{name}.npz")


KIND, FIELDS = "AffectNet_annotation", ("image_path", "left_eye", "valence")
RECONSTRUCTOR = g("copyreg", "_reconstructor") + b"("
RECORDS = {"train": [dict(zip(FIELDS, ("a.jpg", np.array([3, 4]), 0.5), strict=True))], "val": []}


@pytest.mark.parametrize("module", ["__main__", "pickle_annotations_affectnet"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_objects_of_named_classes_become_dicts(tmp_path, module, protocol):
    file = tmp_path / "records.pkl"
    more = {**RECORDS, "train": [{**record, "other": 1} for record in 2 * RECORDS["train"]]}
    pickled(file, more, KIND, module, protocol)
    same(load_pickle(file, records={KIND: FIELDS}), {**RECORDS, "train": 2 * RECORDS["train"]})
    for records in (None, {"Other": FIELDS}):
        with pytest.raises(UsageError, match=r"refused: it would run"):
            load_pickle(file, records=records)
    with pytest.raises(UsageError, match="a AffectNet_annotation without 'mood'"):
        load_pickle(file, records={KIND: ("image_path", "mood")})


def test_objects_of_python_2(tmp_path):
    state = b"(dS'image_path'\nS'a'\nsS'left_eye'\nI1\nsS'valence'\nF0.5\nsb."
    new = g("copy_reg", "_reconstructor") + b"(" + g("__main__", KIND) + g("__builtin__", "object") + b"NtR"
    for start in (f"(i__main__\n{KIND}\n".encode(), b"(" + g("__main__", KIND) + b"o", new):
        (tmp_path / "2.pkl").write_bytes(start + state)
        expected = {"image_path": "a", "left_eye": 1, "valence": 0.5}
        assert load_pickle(tmp_path / "2.pkl", records={KIND: FIELDS}) == expected


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", NAMES)
def test_hostile_objects_among_records_do_not_run(tmp_path, kind, protocol):
    canary = tmp_path / "canary"
    name, bad = hostile(canary)[kind]
    file = tmp_path / "bad.pkl"
    pickled(file, {"train": [{"image_path": bad}]}, KIND, protocol=protocol)
    with pytest.raises(UsageError, match=rf"bad\.pkl: refused: it would run [\w.]*\.{name.split('.')[-1]}; only"):
        load_pickle(file, records={KIND: ("image_path",)})
    assert not canary.exists()


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        ("holds .*AffectNet_annotation itself", g("m", KIND) + b"."),
        ("never filled", g("m", KIND) + b")\x81."),
        ("without attributes", g("m", KIND) + b")\x81Nb."),
        ("without 'image_path'", g("m", KIND) + b")\x81(db."),
        ("attributes for a dict", g("m", KIND) + b")\x81(dS'image_path'\nNs" + b"b(db."),
        ("not read", g("m", KIND) + b"(I1\nt\x81(db."),
        ("other than a named class", RECONSTRUCTOR + 2 * g("builtins", "object") + b"NtR."),
        ("more than its", RECONSTRUCTOR + g("m", KIND) + g("builtins", "set") + b"NtR."),
        ("more than its", RECONSTRUCTOR + g("m", KIND) + g("builtins", "object") + b"I1\ntR."),
        (r"run m\.x\.AffectNet", b"\x80\x04\x8c\x01m\x8c\x16x.AffectNet_annotation\x93."),
    ],
)  # fmt: skip
def test_crafted_records_are_refused(tmp_path, reason, data):
    (tmp_path / "crafted.pkl").write_bytes(data)
    with pytest.raises(UsageError, match=rf"crafted\.pkl: .*{reason}"):
        load_pickle(tmp_path / "crafted.pkl", records={KIND: ("image_path",)})


def test_no_name_of_the_file_is_imported(tmp_path, monkeypatch):
    (tmp_path / "a.pkl").write_bytes(g("antigravity", "x") + b".")
    monkeypatch.setattr(builtins, "__import__", lambda *args, **kwargs: pytest.fail(f"imported {args[0]}"))
    with pytest.raises(UsageError, match="antigravity.x"):
        load_pickle(tmp_path / "a.pkl")
