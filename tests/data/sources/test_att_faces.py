"""AT&T faces: folders and .npz."""

import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.data.sources import att_faces
from tests.data.sources.manual_trees import REAL, column, maker, picture, prepared


@pytest.fixture
def make(tmp_path):
    return maker(tmp_path)


def test_att_faces_folders(make):
    for person in (1, 2, 10, 40):
        for shot in (10, 2):
            picture(make.root / f"s{person}" / f"{shot}.pgm", person, grey=True)
    (make.root / "README").write_text("x")
    found = prepared(make(att_faces))
    assert list(found) == ["train"]
    assert column(found["train"], "file")[:5] == ["s1/2.pgm", "s1/10.pgm", "s2/2.pgm", "s2/10.pgm", "s10/2.pgm"]
    assert column(found["train"], "identity") == [0, 0, 1, 1, 9, 9, 39, 39]
    assert [e["image"][0, 0, 0] for e in found["train"]] == [1, 1, 2, 2, 10, 10, 40, 40]
    assert found["train"][0]["image"].shape == (10, 12, 1)


def test_att_faces_wrong_labels(make):
    picture(make.root / "s41" / "1.pgm", grey=True)
    with pytest.raises(UsageError, match="s41.*out of range 0..39"):
        make(att_faces)
    np.savez(make.root / "att_faces.npz", images=np.zeros((2, 4, 4), "u1"), subject=[0, 40], shot=[0, 0])
    with pytest.raises(UsageError, match=r"att_faces\.npz: row 1: label .*40.* out of range 0\.\.39"):
        prepared(make(att_faces))


def test_att_faces_real(make):
    file = REAL / "att_faces" / "att_faces.npz"
    if not file.is_file():
        pytest.skip(f"no {file}: set FER_JAX_REAL_DATA")
    found = prepared(att_faces.builder(data_dir=str(make.root), path=str(file.parent)))["train"]
    with np.load(file) as arrays:
        images = arrays["images"]
    assert column(found, "identity") == [i // 10 for i in range(400)]
    np.testing.assert_array_equal(np.stack(column(found, "image"))[..., 0], images)
