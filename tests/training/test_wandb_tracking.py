"""An offline run of Weights & Biases holds what was logged, and stays where it was put."""

import importlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aigc_tutorial.training import Tracker, WandbTracker

pytest.importorskip("wandb")

ROOT = Path(__file__).resolve().parents[2]
_BLOCK, _HEAD = 32_768, 7
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


def records(path):
    """What a run's file holds: LevelDB's log format, whose records are protocol buffers."""
    messages: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")

    content, place, parts = path.read_bytes(), _HEAD, []
    while place + _HEAD <= len(content):
        left = _BLOCK - place % _BLOCK
        if left < _HEAD:
            place += left
            continue
        size = int.from_bytes(content[place + 4 : place + 6], "little")
        kind = content[place + 6]  # 1 whole, 2 first, 3 middle, 4 last
        parts.append(content[place + _HEAD : place + _HEAD + size])
        place += _HEAD + size
        if kind in (1, 4):
            record = messages.Record()
            record.ParseFromString(b"".join(parts))
            yield record
            parts = []


def logged(path):
    """The rows of a run's file."""
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            items = {(x.key or ".".join(x.nested_key)): x.value_json for x in record.history.item}
            yield {name: json.loads(items[name]) for name in ("n_images", "loss", "_step")}


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
    (whole,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    expected = [{"n_images": n, "loss": n / 10, "_step": n} for n in (10, 20, 30, 60)]
    assert list(logged(whole)) == expected
    (cut,) = folder.glob("earlier-1/offline-run-*/run-*.wandb")
    assert list(logged(cut)) == expected[:3]


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
