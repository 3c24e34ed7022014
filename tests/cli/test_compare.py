"""Every combination is trained from every seed, and the table says what the runs' files say."""

import pytest

from fer_jax.cli import compare, runs
from fer_jax.core.errors import UsageError


def test_parse(tiny):
    settings = compare.parse(["optim.lr=0.1,0.2", "m_er_trains_encoder=true,false"], tiny.config)
    assert settings == [
        {"optim.lr": rate, "m_er_trains_encoder": trains} for rate in (0.1, 0.2) for trains in (True, False)
    ]
    assert compare.parse([], tiny.config) == [{}]
    (typed,) = compare.parse(["seed=3", "optim.lr=1", "data.data_dir=7", "variant=1"], tiny.config)
    assert [type(value) for value in typed.values()] == [int, int, str, str]
    assert compare.name_of(settings[0]) == "lr-0.1_m_er_trains_encoder-True"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optim.lr", "field=value"),
        ("optim.rate=1", "config.optim.rate: there is no such field"),
        ("optim=1", "config.optim: '1' is no group of fields"),
        ("optim.lr=fast", "config.optim.lr: 'fast' is not a number"),
        ("m_er_trains_encoder=maybe", "'maybe' is not True or False"),
    ],
)
def test_what_parse_refuses(tiny, text, expected):
    with pytest.raises(UsageError, match=expected):
        compare.parse([text], tiny.config)


def test_table(tiny, tmp_path, monkeypatch):
    made = []

    def trained(config, folder, title):
        made.append((config.optim.lr, config.seed, folder.name))
        return {"m_er/accuracy": config.optim.lr + config.seed / 10}

    monkeypatch.setattr(runs, "trained", trained)
    settings = [{"variant": "a", "optim.lr": 0.1}, {"variant": "b", "optim.lr": 0.5}]
    table = compare.compare(lambda variant: tiny.config if variant in "ab" else None, settings, 3, tmp_path)
    assert [(rate, seed) for rate, seed, _ in made] == [(r, s) for r in (0.1, 0.5) for s in range(3)]
    assert len({folder for *_, folder in made}) == 6
    assert table[0]["mean"]["m_er/accuracy"] == pytest.approx(0.2)
    assert table[0]["std"]["m_er/accuracy"] == pytest.approx(0.1)  # of a sample: n - 1
    assert compare.lines(table) == [
        ["setting", "m_er/accuracy"],
        ["a, 0.1", "0.200 +- 0.100"],
        ["b, 0.5", "0.600 +- 0.100"],
    ]
