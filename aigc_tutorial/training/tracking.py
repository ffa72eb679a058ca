"""Where the numbers of a run go while it runs.

A run rewinds its tracker before it logs: to 0, or to where it continues, with the rows that it has
recorded so far. By these rows a tracker knows what is the run's own. What another run left in its
place is moved aside and told, so that no two runs are mixed and none is lost.
"""

import contextlib
import csv
import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from aigc_tutorial.files import expand, replace_file, require_place_of_file, writable_folder

logger = logging.getLogger(__name__)


@runtime_checkable
class Tracker(Protocol):
    """Receives one row of numbers at a time."""

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Record ``row``, measured after ``n_seen`` images or tokens, over all processes."""

    def rewind(self, n_seen: int, rows: Sequence[Mapping[str, float]]) -> None:
        """Forget rows after ``n_seen``: a run continues from a checkpoint made there.

        At 0 a run begins.

        Args:
            n_seen: images or tokens.
            rows: what the run recorded up to there.
        """

    def close(self) -> None:
        """Write what is still held back."""


def as_tracker(value: Any) -> Tracker:
    """Return what has the methods of a tracker.

    Raises:
        TypeError: if it is something else, or a class of trackers.
    """
    if not isinstance(value, Tracker) or isinstance(value, type):
        raise TypeError(
            f"tracker must have the methods of a Tracker, got {value!r}; CsvTracker(path) writes a "
            "file, say, and Trackers(one, another) makes one of several"
        )
    return value


class Trackers:
    """Several trackers as one: each receives every row."""

    def __init__(self, *trackers: Tracker) -> None:
        """Take them.

        Raises:
            TypeError: if one is no tracker.
        """
        self.trackers = tuple(as_tracker(tracker) for tracker in trackers)

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Give ``row`` to each."""
        for tracker in self.trackers:
            tracker.log(row, n_seen=n_seen)

    def rewind(self, n_seen: int, rows: Sequence[Mapping[str, float]]) -> None:
        """Rewind each."""
        for tracker in self.trackers:
            tracker.rewind(n_seen, rows)

    def close(self) -> None:
        """Close each, whatever the others do."""
        with contextlib.ExitStack() as stack:
            for tracker in reversed(self.trackers):
                stack.callback(tracker.close)


class CsvTracker:
    """Appends rows to a file of comma-separated values, each at once, so that a crash loses none.

    A resumed run continues its own file. A run that finds the file of another one moves it aside,
    ``log.csv`` to ``log-1.csv``, and writes its own, from its first row on.
    """

    def __init__(self, path: str | Path) -> None:
        """Name the file; it is made with the first row.

        Raises:
            IsADirectoryError: if ``path`` is a folder.
            FileExistsError: if it is a device or a pipe.
            OSError: if its folder cannot be written.
        """
        self.path = expand(path).absolute()  # the working folder may change during the run
        require_place_of_file(self.path)
        writable_folder(self.path.parent)
        self._columns: list[str] | None = None
        self._last = 0  # n_seen of the last row
        self._file: os.stat_result | None = None  # what the path was when the last row was written

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Append ``row``, whose first column is the data seen.

        Raises:
            ValueError: if the row has other columns than those before it, belongs before them, or
                its first column is not ``n_seen``.
            RuntimeError: if the file is not the one that this tracker wrote: another run took it.
        """
        if n_seen < self._last:
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
        if self._columns is None:
            self._begin([row])
        else:
            self._check_file()
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, fieldnames=self._columns).writerow(row)
        self._last = n_seen

    def rewind(self, n_seen: int, rows: Sequence[Mapping[str, float]]) -> None:
        """Drop the rows that an interrupted run wrote after its last checkpoint.

        If the rows up to there are not those of this run, the file is another's and moved aside.

        Raises:
            ValueError: if the file was not written by this class.
        """
        self._last, self._columns, self._file = n_seen, None, None
        header, found = self._read()
        if not rows:
            return  # the first row begins the file
        kept = [row for row in found if int(row[0]) <= n_seen]
        own = [[float(value) for value in row.values()] for row in rows]
        if header == list(rows[0]) and [[float(value) for value in row] for row in kept] == own:
            self._write([header, *kept])
        else:
            self._begin(rows)

    def close(self) -> None:
        """Do nothing: every row is in the file already."""

    def _begin(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Make a file of a run's own, and move away what another one left."""
        header, _ = self._read()
        if header:
            move_aside([self.path], self.path.with_name(f"{self.path.stem}-"), self.path.suffix)
        columns = list(rows[0])
        values = ([row[columns[0]], *(row[name] for name in columns[1:])] for row in rows)
        self._write([columns, *([int(first), *others] for first, *others in values)])

    def _write(self, lines: Sequence[Sequence[Any]]) -> None:
        with (
            replace_file(self.path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows(lines)
        self._columns, self._file = [str(name) for name in lines[0]], self.path.stat()

    def _read(self) -> tuple[list[str], list[list[str]]]:
        """Columns and whole rows of the file; nothing where there is none."""
        if not self.path.is_file() or self.path.stat().st_size == 0:
            return [], []
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                header, *rows = [row for row in csv.reader(file) if row] or [[""]]
            # A process that was killed while it wrote a row leaves a part of it.
            whole = rows[:-1] + [row for row in rows[-1:] if len(row) == len(header)]
            if not header[0].startswith("n_"):
                raise ValueError(f"its first column is {header[0]!r}")
            for row in whole:
                int(row[0]), [float(value) for value in row]
        except (ValueError, csv.Error) as error:
            raise ValueError(
                f"{self.path} is no log of a run ({error}), and stays as it is: the first column "
                "of one is n_images or n_tokens, and all are numbers; give another file"
            ) from error
        return header, whole

    def _check_file(self) -> None:
        is_own = self._file is not None and self.path.is_file()
        if not is_own or not os.path.samestat(self._file, self.path.stat()):  # type: ignore[arg-type]
            raise RuntimeError(
                f"{self.path} is not the file any more that this run wrote its rows to: another "
                "run began there, or it was moved; give each run a file of its own"
            )


class TensorBoardTracker:
    """Writes event files for TensorBoard: ``tensorboard --logdir FOLDER``.

    A run that is resumed knows its own files by the rows that TensorBoard shows of them. Those of
    other runs are moved into a folder ``earlier-1`` beside its own, which TensorBoard shows as a
    run of that name.
    """

    def __init__(self, folder: str | Path) -> None:
        from aigc_tutorial.environment import require

        require("tensorboard", extra="track")
        from torch.utils.tensorboard import SummaryWriter

        self.folder = writable_folder(folder).absolute()  # as above
        self._make_writer: Any = partial(SummaryWriter, log_dir=str(self.folder))
        self._writer: Any = None
        self._last = 0

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Write each number of ``row`` as a scalar at step ``n_seen``.

        Raises:
            ValueError: if the row belongs before those that were logged.
        """
        if n_seen < self._last:
            raise ValueError(
                f"a row measured after {n_seen} cannot follow one after {self._last} in "
                f"{self.folder}; give another run a tracker of its own"
            )
        if self._writer is None:
            self._open()
        self._write(row, n_seen)
        self._last = n_seen

    def rewind(self, n_seen: int, rows: Sequence[Mapping[str, float]]) -> None:
        """Tell TensorBoard to hide what this run logged after ``n_seen``."""
        self.close()
        self._last = n_seen
        if not rows:
            return  # the first row begins the file
        n_own = self._n_own(rows)
        self._open(int(next(iter(rows[n_own - 1].values()))) if n_own else None)
        for row in rows[n_own:]:
            self._write(row, int(next(iter(row.values()))))

    def close(self) -> None:
        """Flush and close the event file."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def _open(self, last: int | None = None) -> None:
        """Begin an event file, after step ``last`` of this run's own or with others' moved away."""
        if last is None:
            move_aside(self._files(), self.folder / "earlier-", "/")
        self._writer = self._make_writer(purge_step=None if last is None else last + 1)

    def _write(self, row: Mapping[str, float], step: int) -> None:
        for name, value in row.items():
            self._writer.add_scalar(name, value, global_step=step)

    def _files(self) -> list[Path]:
        return list(self.folder.glob("events.out.tfevents.*"))

    def _n_own(self, rows: Sequence[Mapping[str, float]]) -> int:
        """How many of the first rows the folder shows; none if it shows another one among them.

        A killed process may have left the last rows unwritten, or one in part.
        """
        if not self._files():
            return 0
        own = {int(next(iter(row.values()))): row for row in rows}
        shown = [(n, row) for n, row in sorted(self._shown().items()) if n <= max(own)]
        whole = shown[:-1] + [(n, row) for n, row in shown[-1:] if row.keys() >= rows[0].keys()]
        # Event files hold numbers in single precision.
        single = [
            (n, {name: float(np.float32(x)) for name, x in r.items()}) for n, r in own.items()
        ]
        return len(whole) if whole == single[: len(whole)] else 0

    def _shown(self) -> dict[int, dict[str, float]]:
        """Rows by their steps, but for those that a resumed run has hidden."""
        from tensorboard.backend.event_processing.event_accumulator import (
            SCALARS,
            EventAccumulator,
        )

        events = EventAccumulator(str(self.folder), size_guidance={SCALARS: 0}).Reload()
        shown: dict[int, dict[str, float]] = {}
        for name in events.Tags()[SCALARS]:
            for event in events.Scalars(name):
                shown.setdefault(event.step, {})[name] = event.value
        return shown


def move_aside(files: list[Path], before: Path, after: str) -> None:
    """Move what an earlier run left to the first name that is free, and say so.

    Args:
        files: what it left; nothing happens if there is none.
        before: the new name up to its number.
        after: what comes behind the number: ``/`` for a folder, or a file's suffix.
    """
    if not files:
        return
    number, folder = 1, before.parent
    while (target := folder / f"{before.name}{number}{after}").exists():
        number += 1
    if after == "/":
        target.mkdir()
    for file in files:
        file.rename(target / file.name if after == "/" else target)
    logger.warning("a new run begins in %s; what an earlier one left is now %s", folder, target)
