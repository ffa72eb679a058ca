"""Where the numbers of a run go while it runs.

A tracker that logs without having been rewound begins a new run. What an earlier run left in its
place is moved aside and told, so that no two runs are mixed and none is lost.
"""

import csv
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from aigc_tutorial.files import expand, replace_file, writable_folder

logger = logging.getLogger(__name__)


@runtime_checkable
class Tracker(Protocol):
    """Receives one row of numbers at a time."""

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Record ``row``, measured after ``n_seen`` images or tokens, over all processes."""

    def rewind(self, n_seen: int) -> None:
        """Forget rows after ``n_seen``: a run continues from a checkpoint made there.

        At 0 a run begins.
        """

    def close(self) -> None:
        """Write what is still held back."""


class CsvTracker:
    """Appends rows to a file of comma-separated values, each at once, so that a crash loses none.

    A resumed run continues the file of the run it resumes. A new run on a file with rows moves it
    aside, ``log.csv`` to ``log-1.csv``, and begins its own.
    """

    def __init__(self, path: str | Path) -> None:
        """Name the file; it is made with the first row.

        Raises:
            IsADirectoryError: if ``path`` is a folder.
            OSError: if its folder cannot be written.
        """
        self.path = expand(path)
        if self.path.is_dir():
            raise IsADirectoryError(f"{self.path} is a folder; expected a file such as log.csv")
        writable_folder(self.path.parent)
        self._columns: list[str] | None = None
        self._last: int | None = None  # n_seen of the last row; None before the run has begun

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Append ``row``, whose first column is the data seen.

        Raises:
            ValueError: if the row has other columns than those before it, belongs before them, or
                its first column is not ``n_seen``.
        """
        if self._last is None:
            self.rewind(0)
        if self._last is not None and n_seen < self._last:
            raise ValueError(
                f"a row measured after {n_seen} cannot follow one after {self._last} in "
                f"{self.path}; give another run a tracker of its own"
            )
        if next(iter(row.values()), None) != n_seen:
            raise ValueError(
                f"the first column of a row must be the data seen, {n_seen}; got {dict(row)}"
            )
        if self._columns is not None and set(row) != set(self._columns):
            raise ValueError(
                f"{self.path} has the columns {self._columns}, got {list(row)}; "
                "give another run another file"
            )
        is_first = self._columns is None
        self._columns = self._columns or list(row)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=self._columns)
            if is_first:
                writer.writeheader()
            writer.writerow(row)
        self._last = n_seen

    def rewind(self, n_seen: int) -> None:
        """Drop the rows that an interrupted run wrote after its last checkpoint.

        Raises:
            ValueError: if the file was not written by this class.
        """
        self._last = n_seen
        if not self.path.is_file() or self.path.stat().st_size == 0:
            return
        if n_seen == 0:
            move_aside([self.path], self.path.parent, f"{self.path.stem}-{{}}{self.path.suffix}")
            self._columns = None
            return
        with self.path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        # A process that was killed while it wrote a row leaves a part of it.
        whole = [row for row in rows[:-1] if row] + [r for r in rows[-1:] if len(r) == len(header)]
        try:
            kept = [row for row in whole if int(row[0]) <= n_seen]
        except ValueError as error:
            raise ValueError(
                f"{self.path} is no log of a run ({error}): its first column must be whole "
                "numbers, the data seen; give another file"
            ) from error
        with (
            replace_file(self.path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows([header, *kept])
        self._columns = header

    def close(self) -> None:
        """Do nothing: every row is in the file already."""


class TensorBoardTracker:
    """Writes event files for TensorBoard: ``tensorboard --logdir FOLDER``.

    A new run in a folder with event files moves them into a folder ``earlier-1`` beside its own,
    which TensorBoard shows as a run of that name.
    """

    def __init__(self, folder: str | Path) -> None:
        from aigc_tutorial.environment import require

        require("tensorboard", extra="track")
        from torch.utils.tensorboard import SummaryWriter

        self.folder = writable_folder(folder)
        self._make_writer: Any = partial(SummaryWriter, log_dir=str(self.folder))
        self._writer: Any = None

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Write each number of ``row`` as a scalar at step ``n_seen``."""
        if self._writer is None:
            self.rewind(0)
        for name, value in row.items():
            self._writer.add_scalar(name, value, global_step=n_seen)

    def rewind(self, n_seen: int) -> None:
        """Tell TensorBoard to hide what was logged after ``n_seen``."""
        self.close()
        if n_seen == 0:
            move_aside(list(self.folder.glob("events.out.tfevents.*")), self.folder, "earlier-{}/")
        self._writer = self._make_writer(purge_step=n_seen + 1)

    def close(self) -> None:
        """Flush and close the event file."""
        if self._writer is not None:
            self._writer.close()


def move_aside(files: list[Path], folder: Path, name: str) -> None:
    """Move what an earlier run left to the first name that is free, and say so.

    Args:
        files: what it left; nothing happens if there is none.
        folder: where the new name is.
        name: the new name with ``{}`` for a number; one that ends in ``/`` is a folder.
    """
    if not files:
        return
    number = 1
    while (folder / name.format(number)).exists():
        number += 1
    target = folder / name.format(number)
    if name.endswith("/"):
        target.mkdir()
    for file in files:
        file.rename(target / file.name if name.endswith("/") else target)
    logger.warning("a new run begins in %s; what an earlier one left is now %s", folder, target)
