"""Where the numbers of a run go: rows are kept, runs are not mixed, nothing is lost."""

import csv
import os
import stat
from inspect import unwrap
from typing import Any

import pytest

from aigc_tutorial.training import CsvTracker, History, TensorBoardTracker, Trackers


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [[float(value) for value in row] for row in list(csv.reader(file))[1:]]


def made(*numbers):
    """Rows as a run recorded them."""
    return [{"n_images": float(n), "loss": n / 10} for n in numbers]


def log(tracker, *numbers):
    for n in numbers:
        tracker.log({"n_images": n, "loss": n / 10}, n_seen=n)


def test_csv_tracker_keeps_every_row_and_rewinds(tmp_path):
    tracker = CsvTracker(tmp_path / "log.csv")
    log(tracker, 10, 20, 30)
    tracker.rewind(20, made(10, 20))
    tracker.log({"n_images": 25, "loss": 9.0}, n_seen=25)
    text = (tmp_path / "log.csv").read_text().split()
    assert text == ["n_images,loss", "10,1.0", "20,2.0", "25,9.0"]


def test_a_resumed_run_continues_the_file(tmp_path):
    log(CsvTracker(tmp_path / "log.csv"), 10, 20, 30)
    resumed = CsvTracker(tmp_path / "log.csv")
    resumed.rewind(20, made(10, 20))
    log(resumed, 30, 40)
    assert rows(tmp_path / "log.csv") == [[10, 1], [20, 2], [30, 3], [40, 4]]
    assert os.listdir(tmp_path) == ["log.csv"]


def test_a_row_that_a_killed_process_wrote_in_part_is_dropped(tmp_path):
    log(CsvTracker(tmp_path / "log.csv"), 10, 20)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("1")  # of "100,10.0"
    resumed = CsvTracker(tmp_path / "log.csv")
    resumed.rewind(20, made(10, 20))
    log(resumed, 30)
    assert rows(tmp_path / "log.csv") == [[10, 1], [20, 2], [30, 3]]


@pytest.mark.parametrize("is_rewound", [True, False])
def test_a_new_run_does_not_continue_the_file_of_another(is_rewound, tmp_path, caplog):
    for run in range(3):
        tracker = CsvTracker(tmp_path / "log.csv")
        if is_rewound:
            tracker.rewind(0, [])
        log(tracker, 10 + run)
    assert {path.name: rows(path)[0][0] for path in tmp_path.iterdir()} == {
        "log-1.csv": 10,
        "log-2.csv": 11,
        "log.csv": 12,
    }
    assert "an earlier one left is now" in caplog.text


def test_a_tracker_of_one_run_does_not_take_the_rows_of_the_next(tmp_path):
    tracker = CsvTracker(tmp_path / "log.csv")
    log(tracker, 10, 20)
    with pytest.raises(ValueError, match=r"after 10 cannot follow one after 20 .* its own"):
        log(tracker, 10)


def test_rows_of_other_columns_are_refused(tmp_path):
    log(CsvTracker(tmp_path / "log.csv"), 10)
    resumed = CsvTracker(tmp_path / "log.csv")
    resumed.rewind(10, made(10))
    with pytest.raises(ValueError, match=r"has the columns \['n_images', 'loss'\], got"):
        resumed.log({"n_images": 20, "loss_generator": 1.0}, n_seen=20)
    resumed.log({"n_images": 20, "loss": 2.0}, n_seen=20)
    assert rows(tmp_path / "log.csv") == [[10, 1], [20, 2]]


def test_a_row_begins_with_the_data_seen(tmp_path):
    with pytest.raises(ValueError, match="first column of a row must be the data seen, 20"):
        CsvTracker(tmp_path / "log.csv").log({"loss": 1.0}, n_seen=20)
    assert os.listdir(tmp_path) == []


def test_files_that_are_no_log_are_refused_and_stay(tmp_path):
    (tmp_path / "names.csv").write_text("name,age\nAda,36\n")
    with pytest.raises(ValueError, match=r"names\.csv is no log of a run"):
        CsvTracker(tmp_path / "names.csv").rewind(10, made(10))
    assert (tmp_path / "names.csv").read_text() == "name,age\nAda,36\n"
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"picture\.csv is no log of a run"):
        CsvTracker(tmp_path / "picture.csv").rewind(10, made(10))
    with pytest.raises(IsADirectoryError, match="a file should be written there"):
        CsvTracker(tmp_path)
    with pytest.raises(NotADirectoryError, match=r"names\.csv is a file"):
        CsvTracker(tmp_path / "names.csv" / "log.csv")


def test_a_table_of_numbers_is_no_log_and_is_not_cut(tmp_path):
    text = "id,age\n" + "".join(f"{i},{i % 90}\n" for i in range(1_000))
    (tmp_path / "ages.csv").write_text(text)
    for begin in (
        lambda tracker: tracker.rewind(320, made(160, 320)),
        lambda tracker: log(tracker, 10),
    ):
        with pytest.raises(ValueError, match=r"ages\.csv is no log .*its first column is 'id'"):
            begin(CsvTracker(tmp_path / "ages.csv"))
    assert (tmp_path / "ages.csv").read_text() == text
    assert os.listdir(tmp_path) == ["ages.csv"]


def test_a_resumed_run_does_not_cut_the_log_of_another_and_writes_its_own_whole(tmp_path):
    log(CsvTracker(tmp_path / "log.csv"), 15, 20, 30, 40)
    resumed = CsvTracker(tmp_path / "log.csv")
    resumed.rewind(20, made(10, 20))
    log(resumed, 30)
    assert rows(tmp_path / "log-1.csv") == [[15, 1.5], [20, 2], [30, 3], [40, 4]]
    assert (tmp_path / "log.csv").read_text().split() == [
        "n_images,loss", "10,1.0", "20,2.0", "30,3.0"
    ]  # fmt: skip


def test_one_object_serves_two_runs_one_after_the_other(tmp_path):
    tracker = CsvTracker(tmp_path / "log.csv")
    for last in (20, 40):
        tracker.rewind(0, [])
        log(tracker, last)
    assert rows(tmp_path / "log-1.csv") == [[20, 2]]
    assert rows(tmp_path / "log.csv") == [[40, 4]]


def test_two_runs_at_once_do_not_mix_their_rows(tmp_path):
    one, other = (CsvTracker(tmp_path / "log.csv") for _ in range(2))
    log(one, 10)
    log(other, 5)
    with pytest.raises(RuntimeError, match=r"log\.csv is not the file any more .* another run"):
        log(one, 20)
    log(other, 30)
    assert rows(tmp_path / "log.csv") == [[5, 0.5], [30, 3]]
    assert rows(tmp_path / "log-1.csv") == [[10, 1]]


@pytest.fixture
def scalars():
    """Reads what TensorBoard reads in one folder."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="needs TensorBoard: pip install aigc_tutorial[track]",
    )

    def read(folder):
        events = accumulator.EventAccumulator(str(folder))
        events.Reload()
        return [(event.step, event.value) for event in events.Scalars("loss")]

    return read


def test_tensorboard_tracker_writes_what_tensorboard_reads(tmp_path, scalars):
    tracker = TensorBoardTracker(tmp_path)
    for n in (10, 20):
        tracker.log({"loss": n / 8}, n_seen=n)
    tracker.close()
    assert scalars(tmp_path) == [(10, 1.25), (20, 2.5)]


def test_a_second_run_is_another_run_in_tensorboard_too(tmp_path, scalars):
    for run in (1, 2):
        tracker = TensorBoardTracker(tmp_path)
        tracker.log({"loss": run}, n_seen=10 * run)
        tracker.close()
    assert scalars(tmp_path / "earlier-1") == [(10, 1)]
    assert scalars(tmp_path) == [(20, 2)]


def test_a_resumed_run_hides_its_own_later_numbers_in_tensorboard(tmp_path, scalars):
    tracker = TensorBoardTracker(tmp_path)
    log(tracker, 10, 20, 30)
    tracker.close()
    resumed = TensorBoardTracker(tmp_path)
    resumed.rewind(20, made(10, 20))
    log(resumed, 40)
    resumed.close()
    assert [step for step, _ in scalars(tmp_path)] == [10, 20, 40]
    assert not (tmp_path / "earlier-1").exists()


def test_a_resumed_run_leaves_the_events_of_another(tmp_path, scalars):
    tracker = TensorBoardTracker(tmp_path)
    log(tracker, 15, 30)
    tracker.rewind(20, made(10, 20))
    log(tracker, 30)
    tracker.rewind(0, [])
    log(tracker, 50)
    with pytest.raises(ValueError, match="after 40 cannot follow one after 50"):
        log(tracker, 40)
    tracker.close()
    found = [[step for step, _ in scalars(tmp_path / name)] for name in ("earlier-1", "earlier-2")]
    assert found == [[15, 30], [10, 20, 30]]
    assert [step for step, _ in scalars(tmp_path)] == [50]


def test_history_adds_a_row_whole_or_not_at_all():
    history = History()
    history.append({"n_images": 1, "loss": 0.5})
    not_a_number: Any = "half"
    with pytest.raises(ValueError, match="could not convert"):
        history.append({"n_images": 2, "loss": not_a_number})
    assert list(history.rows()) == [{"n_images": 1.0, "loss": 0.5}]


def test_runs_that_share_their_first_row_are_told_apart_in_tensorboard(tmp_path, scalars):
    def begin(n_rows, value):
        tracker = TensorBoardTracker(tmp_path)
        tracker.rewind(0, [])
        for row in made_of(value)[:n_rows]:
            tracker.log(row, n_seen=int(row["n_images"]))
        tracker.close()

    def made_of(value):
        return [{"n_images": 10 * i, "loss": i if i == 1 else value + i} for i in range(1, 7)]

    begin(4, value=100)
    begin(6, value=0.1)
    resumed = TensorBoardTracker(tmp_path)
    resumed.rewind(30, made_of(100)[:3])
    for row in made_of(100)[3:]:
        resumed.log(row, n_seen=int(row["n_images"]))
    resumed.close()
    own = [(10, 1), (20, 102), (30, 103), (40, 104), (50, 105), (60, 106)]
    assert scalars(tmp_path) == own
    assert [step for step, _ in scalars(tmp_path / "earlier-2")] == [10, 20, 30, 40, 50, 60]
    resumed.rewind(50, made_of(100)[:5])  # its own, and as often as it is asked for
    resumed.rewind(60, made_of(100))
    resumed.close()
    assert scalars(tmp_path) == own
    assert not (tmp_path / "earlier-3").exists()


def test_rows_that_a_killed_process_did_not_write_to_tensorboard_are_written(tmp_path, scalars):
    rows = [{"n_images": n, "loss": n / 8, "other": n} for n in (10, 20, 30)]
    tracker = TensorBoardTracker(tmp_path)
    tracker.log(rows[0], n_seen=10)
    tracker.log({"n_images": 20, "loss": 2.5}, n_seen=20)  # in part
    tracker.close()
    tracker.rewind(30, rows)
    tracker.close()
    assert scalars(tmp_path) == [(10, 1.25), (20, 2.5), (30, 3.75)]
    assert not (tmp_path / "earlier-1").exists()


@pytest.mark.skipif(os.name != "posix", reason="pipes have names on POSIX systems alone")
def test_a_log_takes_the_place_of_no_device(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(FileExistsError, match=r"pipe\.csv is a device or a pipe"):
        CsvTracker(tmp_path / "pipe.csv")
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe.csv").st_mode)


def test_several_trackers_receive_every_row(tmp_path):
    tracker = Trackers(*(CsvTracker(tmp_path / name) for name in ("a.csv", "b.csv")))
    log(tracker, 10, 20, 30)
    tracker.rewind(20, made(10, 20))
    log(tracker, 40)
    tracker.close()
    for name in ("a.csv", "b.csv"):
        assert rows(tmp_path / name) == [[10, 1], [20, 2], [40, 4]]


def test_each_of_several_trackers_is_closed_though_one_fails():
    class Failing(CsvTracker):
        def __init__(self, name):
            self.name = name

        def close(self):
            closed.append(self.name)
            raise OSError(self.name)

    closed: list[str] = []
    with pytest.raises(OSError, match="b"):
        Trackers(Failing("a"), Failing("b")).close()
    assert closed == ["a", "b"]


@pytest.mark.parametrize("name", ["log-{seed}.csv", "a{}b.csv", "a%s.csv", ".csv"])
def test_a_name_is_taken_as_it_is_written(name, tmp_path):
    for run in (1, 2):
        CsvTracker(tmp_path / name).log({"n_images": run, "loss": 0.5}, n_seen=run)
    path = tmp_path / name
    assert rows(path) == [[2, 0.5]]
    assert rows(path.with_name(f"{path.stem}-1{path.suffix}")) == [[1, 0.5]]


@pytest.mark.parametrize("given", [["log.csv"], [None], [[]], [CsvTracker]])
def test_several_trackers_are_trackers(given):
    with pytest.raises(TypeError, match="tracker must have the methods of a Tracker"):
        unwrap(Trackers.__init__)(object.__new__(Trackers), *given)
