"""What was measured during training, as columns."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aigc_tutorial.files import replace_file


class History(Mapping[str, list[float]]):
    """Rows of numbers, read by column: ``history["loss_generator"]`` is a list of floats.

    The columns are fixed by the first row.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {}

    def append(self, row: Mapping[str, float]) -> None:
        """Add one row; it must have the columns of the rows before it."""
        if self._columns and set(row) != set(self._columns):
            raise ValueError(f"expected the columns {list(self._columns)}, got {list(row)}")
        values = {name: float(value) for name, value in row.items()}  # all, or none is added
        for name, value in values.items():
            self._columns.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> list[float]:
        """Return one column, a copy: what is added to it is no part of the history."""
        if name not in self._columns:
            raise KeyError(f"no column {name!r}; there are {list(self._columns)}")
        return list(self._columns[name])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the columns' names."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._columns)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self._columns.values()), []))

    def rows(self) -> Iterator[dict[str, float]]:
        """Iterate over the rows."""
        for values in zip(*self._columns.values(), strict=True):
            yield dict(zip(self._columns, values, strict=True))

    def to_csv(self, path: str | Path) -> None:
        """Write all rows as comma-separated values with a header."""
        with (
            replace_file(path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, fieldnames=list(self))
            writer.writeheader()
            writer.writerows(self.rows())

    def state_dict(self) -> dict[str, Any]:
        """Return the columns, for a checkpoint."""
        return {"columns": {name: list(column) for name, column in self._columns.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self._columns = {name: list(column) for name, column in state["columns"].items()}
