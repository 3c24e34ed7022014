import csv

from fer_jax.report import record


def test_a_published_programs_table(tmp_path):
    """Reports and evaluations of one step share a row; a run gone on with repeats none."""
    log = record.Record(tmp_path, 0)
    log.write(2, "train", {"gen/adv": 0.5})
    log.write(4, "train", {"gen/adv": 0.25})
    log.write(4, "eval", {"distance/frechet_joy": 9.0, "distance/kernel_joy": 0.1, "edit/gain": 1.0})
    log.write(6, "train", {"gen/adv": 0.1})
    log.close()
    log = record.Record(tmp_path, 4)  # step 6 was not saved
    log.write(6, "train", {"gen/adv": 0.2})
    log.close()
    columns = {"gen/adv": "g_gan_loss", "distance/frechet_joy": "fid_joy"}
    record.write_csv(tmp_path / "log.csv", tmp_path, columns, "distance/", steps_per_epoch=3)
    with (tmp_path / "log.csv").open() as stream:
        rows = list(csv.reader(stream))
    assert rows == [
        ["epoch", "batch", "g_gan_loss", "fid_joy", "kernel_joy"],
        ["0", "1", "0.5", "", ""],
        ["1", "0", "0.25", "9.0", "0.1"],
        ["1", "2", "0.2", "", ""],
    ]


def test_highest(tmp_path):
    log = record.Record(tmp_path, 0)
    for step, value in ((1, 0.25), (2, 0.75), (3, 0.75), (4, 0.5)):
        log.write(step, "eval", {"test:accuracy": value})
    log.write(4, "train", {"test:accuracy": 1.0})
    log.close()
    assert record.highest(tmp_path, "test:accuracy") == (0.75, 2)
    assert record.highest(tmp_path, "accuracy") is None
