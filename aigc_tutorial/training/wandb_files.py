"""What an offline run of Weights & Biases holds, read back without a network or an account.

Its file is a log in LevelDB's format: blocks of 32 KiB, in them pieces of records, each with a head
of seven bytes that says how long the piece is and whether the record goes on in the next. A record
is a protocol buffer.
"""

import contextlib
import importlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aigc_tutorial.environment import require
from aigc_tutorial.files import expand

_BLOCK, _HEAD = 32_768, 7
_WHOLE, _LAST = 1, 4


def read_wandb(folder: str | Path) -> list[dict[str, float]]:
    """The rows that a :class:`WandbTracker` wrote, in their order.

    Args:
        folder: the tracker's.

    Returns:
        Rows as they were logged.

    Raises:
        FileNotFoundError: if there is no offline run in it.
        MissingDependencyError: if wandb is not installed.
    """
    rows = []
    for record in _messages(_newest_run(expand(folder))):
        if record.WhichOneof("record_type") == "history":
            items = {(x.key or ".".join(x.nested_key)): x.value_json for x in record.history.item}
            # What begins with an underscore is the library's own.
            rows.append({n: json.loads(value) for n, value in items.items() if n[:1] != "_"})
    return rows


def wait_for_end(folder: Path, seconds: float = 10.0) -> None:
    """Wait until the newest run's file holds its end: the library writes it in another process.

    A run that was finished is not yet written, and who reads its file at once misses the last rows.
    """
    deadline = time.monotonic() + seconds
    with contextlib.suppress(FileNotFoundError):  # there is nothing to wait for
        _wait(_newest_run(folder), deadline)


def _wait(path: Path, deadline: float) -> None:
    while time.monotonic() < deadline:
        if any(record.WhichOneof("record_type") == "exit" for record in _messages(path)):
            return
        time.sleep(0.02)


def _newest_run(folder: Path) -> Path:
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    if not files:
        raise FileNotFoundError(
            f"there is no offline run of Weights & Biases in {folder}; its own folder is wanted, "
            "which holds a folder wandb"
        )
    return max(files, key=lambda path: path.stat().st_mtime_ns)


def _messages(path: Path) -> Iterator[Any]:
    require("wandb", extra="track")
    messages: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    for content in _records(path.read_bytes()):
        record = messages.Record()
        record.ParseFromString(content)
        yield record


def _records(content: bytes) -> Iterator[bytes]:
    place, parts = _HEAD, []  # the file has a head of its own, of as many bytes
    while place + _HEAD <= len(content):
        left = _BLOCK - place % _BLOCK
        if left < _HEAD:  # too short for a piece
            place += left
            continue
        size = int.from_bytes(content[place + 4 : place + 6], "little")
        kind = content[place + 6]
        if place + _HEAD + size > len(content):  # still being written
            return
        parts.append(content[place + _HEAD : place + _HEAD + size])
        place += _HEAD + size
        if kind in (_WHOLE, _LAST):
            yield b"".join(parts)
            parts = []
