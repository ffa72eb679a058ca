"""An offline run of Weights & Biases holds what was logged, and stays where it was put."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from aigc_tutorial.training import Tracker, WandbTracker, read_wandb

pytest.importorskip("wandb")

ROOT = Path(__file__).resolve().parents[2]
# A run that is interrupted after 30 images, and goes on from a checkpoint at 20.
INTERRUPTED = """
import sys
from aigc_tutorial.training import WandbTracker

def rows(*numbers):
    return [{"n_images": float(n), "loss": n / 10} for n in numbers]

def log(tracker, *numbers):
    for row in rows(*numbers):
        tracker.log(row, n_seen=int(row["n_images"]))

first = WandbTracker(sys.argv[1], name="gan", settings={"training.n_images": 60})
first.rewind(0, [])
log(first, 10, 20, 30)
first.close()
resumed = WandbTracker(sys.argv[1], name="gan", settings={"training.n_images": 60})
resumed.rewind(20, rows(10, 20))
log(resumed, 30, 60)
resumed.close()
"""


def test_a_resumed_run_is_whole_and_nothing_leaves_its_folder(tmp_path):
    home, folder = tmp_path / "home", tmp_path / "run"
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        own = {"HOME": str(home), "PYTHONPATH": str(ROOT), "WANDB_BASE_URL": address}
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "XDG_"))}
        subprocess.run(
            [sys.executable, "-c", INTERRUPTED, str(folder)],
            env=clean | own, cwd=tmp_path, check=True, capture_output=True, timeout=200,
        )  # fmt: skip
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):  # nobody has called
            server.accept()
    assert list(home.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"home", "run"}
    expected = [{"n_images": n, "loss": n / 10} for n in (10, 20, 30, 60)]
    assert read_wandb(folder) == expected
    (folder / "earlier-1").rename(tmp_path / "wandb")
    assert read_wandb(tmp_path) == expected[:3]


def test_rows_that_go_over_blocks_of_the_file_are_read_whole(tmp_path):
    """Each row has some 1,200 bytes, and a block 32 KiB."""
    rows = [{"n_images": n, **{f"number {i}": n / 7 + i for i in range(30)}} for n in range(1, 61)]
    tracker = WandbTracker(tmp_path)
    for row in rows:
        tracker.log(row, n_seen=int(row["n_images"]))
    tracker.close()
    assert read_wandb(tmp_path) == rows


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no offline run"):
        read_wandb(tmp_path)


def test_rows_come_in_their_order_and_nothing_is_begun_before_the_first(tmp_path):
    tracker = WandbTracker(tmp_path)
    assert isinstance(tracker, Tracker)
    tracker.rewind(20, [])
    with pytest.raises(ValueError, match="after 10 cannot follow one after 20"):
        tracker.log({"n_images": 10, "loss": 1.0}, n_seen=10)
    tracker.close()
    assert not (tmp_path / "wandb").exists()


def test_the_environment_is_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "own"))
    before = dict(os.environ)
    WandbTracker(tmp_path)
    assert dict(os.environ) == before
