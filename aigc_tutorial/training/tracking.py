"""Where the numbers of a run go while it runs."""

import csv
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from aigc_tutorial.files import replace_file


@runtime_checkable
class Tracker(Protocol):
    """Receives one row of numbers at a time."""

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Record ``row``, measured after ``n_seen`` images or tokens."""

    def rewind(self, n_seen: int) -> None:
        """Forget rows after ``n_seen``: a run continues from a checkpoint made there."""

    def close(self) -> None:
        """Write what is still held back."""


class CsvTracker:
    """Appends rows to a file of comma-separated values, each at once, so that a crash loses none.

    A resumed run continues the file of the run it resumes.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Append ``row``, whose first column is the data seen."""
        is_new = not self.path.exists() or self.path.stat().st_size == 0
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)

    def rewind(self, n_seen: int) -> None:
        """Drop the rows that an interrupted run wrote after its last checkpoint."""
        if not self.path.exists():
            return
        with self.path.open(newline="") as file:
            header, *rows = csv.reader(file)
        with replace_file(self.path) as temporary, temporary.open("w", newline="") as file:
            csv.writer(file).writerows([header, *(r for r in rows if int(r[0]) <= n_seen)])

    def close(self) -> None:
        """Do nothing: every row is in the file already."""


class TensorBoardTracker:
    """Writes event files for TensorBoard: ``tensorboard --logdir FOLDER``."""

    def __init__(self, folder: str | Path) -> None:
        from aigc_tutorial.environment import require

        require("tensorboard", extra="track")
        from torch.utils.tensorboard import SummaryWriter

        self._make_writer: Any = partial(SummaryWriter, log_dir=str(folder))
        self._writer: Any = self._make_writer()

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Write each number of ``row`` as a scalar at step ``n_seen``."""
        for name, value in row.items():
            self._writer.add_scalar(name, value, global_step=n_seen)

    def rewind(self, n_seen: int) -> None:
        """Tell TensorBoard to hide what was logged after ``n_seen``."""
        self._writer.close()
        self._writer = self._make_writer(purge_step=n_seen + 1)

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()
