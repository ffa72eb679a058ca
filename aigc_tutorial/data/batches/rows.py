"""Endless shuffled batches of tensors that are already in memory."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.tensors import content_hash


class ShuffledBatches:
    """Batches of a tensor's rows, in a new random order each epoch, without end.

    One ``index_select`` makes a batch: no worker processes, no per-image Python. A short last
    batch is dropped, so that all batches have one size.

    Give it a generator of its own: restoring the state of a generator that others share would
    rewind them too.

    >>> images = torch.rand(100, 1, 28, 28)
    >>> batches = ShuffledBatches(images, 64, rng=torch.Generator().manual_seed(0))
    >>> next(batches).shape
    torch.Size([64, 1, 28, 28])
    """

    def __init__(
        self, rows: Shaped[Tensor, "N ..."], batch_size: int, *, rng: torch.Generator
    ) -> None:
        """Start before the first epoch; no order is drawn yet.

        Args:
            rows: the data, on any device and of any dtype; the first axis is shuffled.
            batch_size: rows in a batch, from 1 to the number of rows.
            rng: draws the order of each epoch; on the CPU or on the rows' device.

        Raises:
            TypeError: if ``rows`` is no tensor, or ``rng`` no generator of torch.
            ValueError: if ``batch_size`` is below 1 or above the number of rows.
        """
        if not isinstance(rows, Tensor) or rows.ndim == 0:
            raise TypeError(
                f"rows must be a tensor with one row or more, got a {type(rows).__name__}; of a "
                "data set take its images, of an array torch.from_numpy(array)"
            )
        is_whole = isinstance(batch_size, int | np.integer) and not isinstance(batch_size, bool)
        if not is_whole or not 1 <= batch_size <= len(rows):
            raise ValueError(
                f"batch_size is {batch_size}; expected 1 to {len(rows)}, the number of rows"
            )
        self.rows = rows
        self.batch_size = batch_size
        self.rng = require_rng(rng)
        self._order = torch.empty(0, dtype=torch.int64, device=rows.device)
        self._position = 0

    def __iter__(self) -> "ShuffledBatches":
        """The iterator itself: a second ``for`` goes on where the first stopped."""
        return self

    def __next__(self) -> Shaped[Tensor, "B ..."]:
        """The next batch, a copy that may be changed freely."""
        start, stop = self._position, self._position + self.batch_size
        if stop > len(self._order):
            self._order = torch.randperm(
                len(self.rows), generator=self.rng, device=self.rng.device
            ).to(self.rows.device)
            start, stop = 0, self.batch_size
        self._position = stop
        return self.rows.index_select(0, self._order[start:stop])

    def identity(self) -> dict[str, Any]:
        """What tells these batches from those of other rows or another seed."""
        return {
            "data (their fingerprint)": content_hash(self.rows),
            "seed of the batches": self.rng.initial_seed(),
        }

    def state_dict(self) -> dict[str, Tensor | int]:
        """All that the coming batches depend on, besides the rows; a copy, on the CPU.

        The epoch's order is stored rather than drawn again, so that a resumed run does not
        depend on how a later version of torch implements ``randperm``.
        """
        return {
            "batch_size": self.batch_size,
            "position": self._position,
            "order": self._order.to("cpu", copy=True),
            "rng": self.rng.get_state(),
        }

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """Go on exactly where :meth:`state_dict` was taken, in the middle of an epoch too.

        Raises:
            ValueError: if the state was taken with another batch size or number of rows.
            KeyError: if the state lacks an entry.
        """
        batch_size, position = int(state["batch_size"]), int(state["position"])
        order, rng = (torch.as_tensor(state[name], device="cpu") for name in ("order", "rng"))
        if batch_size != self.batch_size:
            raise ValueError(
                f"the state was saved with batch_size={batch_size}, this has {self.batch_size}"
            )
        if len(order) not in (0, len(self.rows)) or not 0 <= position <= len(order):
            raise ValueError(
                f"the state stands at position {position} of {len(order)} rows, "
                f"this has {len(self.rows)} rows; resume with the data it was saved with"
            )
        self._order = order.to(self.rows.device, copy=True)
        self._position = position
        self.rng.set_state(rng)


class ShuffledTuples:
    """Like :class:`ShuffledBatches`, of several tensors whose rows belong together.

    >>> images, labels = torch.rand(100, 1, 28, 28), torch.zeros(100, dtype=torch.int64)
    >>> rng = torch.Generator().manual_seed(0)
    >>> batch = next(ShuffledTuples((images, labels), 64, rng=rng))
    >>> [len(part) for part in batch]
    [64, 64]
    """

    def __init__(self, rows: tuple[Tensor, ...], batch_size: int, *, rng: torch.Generator) -> None:
        """Start before the first epoch.

        Args:
            rows: tensors of equal length on one device, such as images and their labels.
            batch_size: rows in a batch.
            rng: draws the order of each epoch.

        Raises:
            TypeError: if ``rows`` is no tuple of tensors: one tensor by itself would be taken for
                as many as it has rows.
            ValueError: if there is no tensor, if the tensors differ in length or in device, or if
                ``batch_size`` is out of range.
        """
        is_several = isinstance(rows, tuple | list)
        if not is_several or not all(isinstance(x, Tensor) and x.ndim > 0 for x in rows):
            raise TypeError(
                "rows must be a tuple of tensors that belong together, got "
                f"{[type(x).__name__ for x in rows] if is_several else type(rows).__name__}; of a "
                "data set take (dataset.images, dataset.labels), of an array "
                "torch.from_numpy(array), and for one tensor ShuffledBatches"
            )
        rows = tuple(rows)
        if len({part.device for part in rows}) != 1:
            raise ValueError(
                "expected one tensor or more, all on one device, got "
                f"{[str(part.device) for part in rows]}"
            )
        if len({len(part) for part in rows}) != 1:
            raise ValueError(
                f"expected tensors with equally many rows, got {[len(part) for part in rows]}"
            )
        self.rows = rows
        numbers = torch.arange(len(rows[0]), device="cpu").to(rows[0].device)
        self._numbers = ShuffledBatches(numbers, batch_size, rng=rng)

    def __iter__(self) -> "ShuffledTuples":
        """The iterator itself."""
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        """The next batch: of each tensor the same rows, as copies."""
        numbers = next(self._numbers)
        return tuple(part.index_select(0, numbers) for part in self.rows)

    def identity(self) -> dict[str, Any]:
        """What tells these batches from those of other rows or another seed."""
        return self._numbers.identity() | {"data (their fingerprint)": content_hash(*self.rows)}

    def state_dict(self) -> dict[str, Tensor | int]:
        """All that the coming batches depend on, besides the rows; a copy, on the CPU."""
        return self._numbers.state_dict()

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """Go on exactly where :meth:`state_dict` was taken; see :class:`ShuffledBatches`."""
        self._numbers.load_state_dict(state)
