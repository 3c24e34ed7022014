"""CASIA-WebFace: the reference's list and folders."""

import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.data.sources import casia_webface
from tests.data.sources.manual_trees import column, maker, picture, prepared


@pytest.fixture
def make(tmp_path):
    return maker(tmp_path)


def casia_list(root, name="casia_data_example.npz", labels=(0, 0, 3, 25), **arrays):
    names = [f"{label:07d}/{i:03d}.jpg" for i, label in enumerate(labels)]
    for i, file in enumerate(names):
        picture(root / "img" / file, 10 * i, (96, 112))
    np.savez(root / name, **{"img_dir_list": names, "img_lab_list": np.array(labels, np.int32), **arrays})


@pytest.mark.parametrize("name", casia_webface.LISTS)
def test_casia_list(make, name):
    casia_list(make.root, name)
    found = prepared(make(casia_webface))["train"]
    assert column(found, "identity") == [0, 0, 3]
    assert column(found, "file")[2] == "row 2 (0000003/002.jpg)"
    assert found[2]["image"].shape == (112, 96, 3) and abs(int(found[2]["image"][0, 0, 0]) - 20) < 4
    assert column(prepared(make(casia_webface, identities=0))["train"], "identity") == [0, 0, 3, 25]
    assert column(prepared(make(casia_webface, identities=3))["train"], "identity") == [0, 0]


def test_casia_object_names(make):
    casia_list(make.root, img_dir_list=np.array([f"0/{i}.jpg" for i in range(4)], dtype=object))
    for i in range(4):
        picture(make.root / "img" / "0" / f"{i}.jpg")
    assert len(prepared(make(casia_webface))["train"]) == 3


def test_casia_bad_lists(make):
    casia_list(make.root, labels=(0, 10575))
    with pytest.raises(UsageError, match=r"example\.npz: row 1 .*10575.* out of range"):
        make(casia_webface)
    casia_list(make.root, img_dir_list=["../../x.jpg"] * 4)
    with pytest.raises(UsageError, match=r"row 0 .*leads out of"):
        make(casia_webface)
    casia_list(make.root, img_lab_list=np.zeros(3, int))
    with pytest.raises(UsageError, match="4 names in img_dir_list, 3 labels"):
        make(casia_webface)
    casia_list(make.root)
    (make.root / "img/0000000/001.jpg").unlink()
    with pytest.raises(UsageError, match=r"row 1 \(0000000/001\.jpg\): the picture .*001\.jpg is missing"):
        prepared(make(casia_webface, skip_bad=True))
    with pytest.raises(UsageError, match="identities=-1"):
        make(casia_webface, identities=-1)


@pytest.mark.parametrize("inner", ["", "img"])
def test_casia_folders(make, inner):
    for person in range(25):
        picture(make.root / inner / f"{1000 - person:07d}" / "001.jpg", person)
    found = prepared(make(casia_webface))["train"]
    assert column(found, "identity") == list(range(20))
    assert abs(int(found[0]["image"][0, 0, 0]) - 24) < 4  # folders by name: the last one made is the first
    name = make(casia_webface).config.name
    picture(make.root / inner / "0000998" / "002.jpg")  # beyond the first 20: changes nothing
    assert make(casia_webface).config.name == name
    picture(make.root / inner / "0000977" / "002.jpg")
    assert make(casia_webface).config.name != name
