"""Where the numbers of a run go while it runs."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Tracker(Protocol):
    """Receives one row of numbers at a time."""

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Record ``row``, measured after ``n_seen`` images or tokens."""

    def close(self) -> None:
        """Write what is still held back."""


class CsvTracker:
    """Appends rows to a file of comma-separated values, each at once, so that a crash loses none.

    Rows of a resumed run are appended to those of the run it continues; rows that the interrupted
    run wrote after its last checkpoint stay in the file and are written again.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Append ``row``; ``n_seen`` is the first column."""
        is_new = not self.path.exists() or self.path.stat().st_size == 0
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=["n_seen", *row])
            if is_new:
                writer.writeheader()
            writer.writerow({"n_seen": n_seen, **row})

    def close(self) -> None:
        """Do nothing: every row is in the file already."""


class TensorBoardTracker:
    """Writes event files for TensorBoard: ``tensorboard --logdir FOLDER``."""

    def __init__(self, folder: str | Path) -> None:
        from aigc_tutorial.environment import require

        require("tensorboard", extra="track")
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(log_dir=str(folder))

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Write each number of ``row`` as a scalar at step ``n_seen``."""
        for name, value in row.items():
            self._writer.add_scalar(name, value, global_step=n_seen)

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()
