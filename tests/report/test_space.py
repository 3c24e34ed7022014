"""Pictures of a learned space: faces at their points, on the regions of their classes; and what is predicted there."""

import numpy as np

from fer_jax.report import space


def plane(**changes):
    fine = np.zeros((40, 40), int)
    fine[:, 20:] = 1
    fields = {
        "axes": ("x", "y"),
        "points": np.array([(x, y) for y in (1, 0, -1) for x in (-1, 0, 1)], float),
        "inside": np.ones(9, bool),
        "labels": fine,
        "shares": np.ones((40, 40)),
        "distances": None,
        "centres": np.array([(-0.5, 0.5), (0.5, -0.5)]),
        "off": np.zeros(2),
    }
    return space.Plane(**fields | changes)


def middle(image, colour, least):
    rows, cols = np.nonzero((np.abs(np.asarray(image).astype(int) - colour) <= 1).all(-1))
    assert len(rows) >= least, colour
    return cols.mean(), rows.mean()


def test_pictures_lie_at_their_points_on_the_regions():
    tints = [(1, 1, 0), (0, 1, 0), (0, 0, 1)]  # top left, top right, bottom left
    pictures = np.full((9, 4, 4, 3), 0.5)
    for place, tint in zip((0, 2, 6), tints, strict=True):
        pictures[place] = tint
    image = space.grid([(plane(), pictures)], ("anger", "happiness"))
    (left, top), (right, level), (below, bottom) = (middle(image, 255 * np.array(t), 5000) for t in tints)
    assert abs(left - below) < 2 < right - left and abs(top - level) < 2 < bottom - top
    palette = space.colours(("anger", "happiness"))
    first, second = (middle(image, np.round(255 * np.array(palette[c])), 1000) for c in ("anger", "happiness"))
    assert first[0] < second[0]


def test_cells_of_the_map_have_the_predicted_colour_and_its_probability():
    shares = np.tile([0.0, 1.0], (9, 1))
    shares[0], shares[8] = (1, 0), (0.4, 0.6)
    inside = np.ones(9, bool)
    inside[2] = False
    image = space.predicted(
        [(plane(inside=inside), shares)], "an evaluator", ("fear", "neutral"), ("anger", "happiness")
    )
    blue = np.array(space.colours(("neutral",))["neutral"])
    paler = middle(image, np.round(255 * (1 - 0.6 * (1 - blue))), 5000)
    black = middle(image, np.zeros(3), 5000)
    full = middle(image, np.round(255 * blue), 20000)
    assert black[0] < full[0] < paler[0] and black[1] < full[1] < paler[1]


def test_a_class_has_one_colour_under_all_its_names():
    palette = space.colours(("Angry", "anger", "boredom", "envy"))
    assert palette["Angry"] == palette["anger"] and len({*palette.values()}) == 3
