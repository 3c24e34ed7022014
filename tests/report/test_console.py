"""What a run prints about its speed and what is left."""

import pytest

from fer_jax.report import console


@pytest.fixture
def now(monkeypatch):
    times = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: times[0])
    return times


def test_what_is_left_goes_by_the_slower_steps(now):
    clock = console.Clock(0, 400, 8)
    now[0] = 10.0
    clock.pause(5.0)  # of the ten: an evaluation
    first = clock.report(100)
    assert first["examples_per_second"] == 100 * 8 / 5 and first["eta_seconds"] == 300 * 10 / 100
    now[0] = 110.0  # from here on a step does more
    clock.waited(25.0)
    second = clock.report(200)
    assert second["examples_per_second"] == 8 and second["eta_seconds"] == 200 and second["data_wait"] == 0.25


def test_duration():
    assert (console.duration(309), console.duration(3909)) == ("5:09", "1:05:09")
