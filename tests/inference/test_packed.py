import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.inference import packed


def test_what_is_stored_comes_back_to_half_precision(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    tree = {"net": {"params": {"head": {"kernel": kernel}}, "batch_stats": {"n": np.array(7)}}}
    path = tmp_path / "new" / "weights.npz"
    packed.write(path, {"step": 3, "names": ["a"]}, tree)
    about, found = packed.read(path)
    assert about == {"step": 3, "names": ["a"]}
    back = found["net"]["params"]["head"]["kernel"]
    assert back.dtype == np.float32 and found["net"]["batch_stats"]["n"] == 7
    np.testing.assert_array_equal(back, kernel.astype(np.float16))


def test_damaged_files(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", a=np.zeros(1))
    for name in ("text.npz", "other.npz", "none.npz"):
        with pytest.raises(UsageError, match=f"{name}: cannot be read as packed weights"):
            packed.read(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be written"):
        packed.write(tmp_path / "text.npz" / "x.npz", {}, {})
