"""Exercises of the walkthrough: what surrounds a training step."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "05_3_walkthrough"


def _interval_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((1.0, 1_000.0), (0.05, 3_600.0), (30.0, 86_400.0))


@exercise(
    "best-interval",
    page=PAGE,
    level="warm-up",
    cases=_interval_cases,
    hint="set the derivative of cost / interval + interval / (2 between_failures) to zero.",
    remark="Four times as many failures, half the interval, and twice the loss.",
    mistakes=[
        Mistake(
            lambda cost, between_failures: math.sqrt(cost * between_failures),
            "a failure costs half an interval on average, not a whole one.",
        ),
        Mistake(
            lambda cost, between_failures: math.sqrt(2 * cost / between_failures),
            "this is the share of the time that is lost at the best interval, not the interval.",
        ),
        Mistake(
            lambda cost, between_failures: 2 * cost * between_failures,
            "that is its square; it is not even in seconds.",
        ),
    ],
)
def best_interval(cost: float, between_failures: float) -> float:
    """Seconds between two saves at which saves and failures together cost least.

    A save takes ``cost`` seconds, and a failure comes every ``between_failures`` seconds on
    average; of the two, the first is far smaller.
    """
    return math.sqrt(2 * cost * between_failures)


def _size_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from (([3, 5, 2],), ([4, 4, 4, 4, 1],), ([2, 3],))


def _with_known_weights(arguments: tuple[Any, ...], network: Any) -> Any:
    if not isinstance(network, nn.Module):
        return network
    x = torch.linspace(-1, 2, 6 * arguments[0][0], dtype=torch.float64).reshape(6, -1)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    with torch.no_grad():
        for parameter in network.double().parameters():
            waves = torch.arange(parameter.numel(), dtype=torch.float64).sin()
            parameter.copy_(waves.view_as(parameter))
    answer = network(x)
    if isinstance(answer, Tensor) and answer.requires_grad:
        answer.square().sum().backward()
    learning = [p for p in network.parameters() if p.grad is not None]
    return {
        "the number of parameters that it has": n_parameters,
        "what it answers in float64, with weights that are given": answer,
        "how many of its parameters get a gradient": sum(p.numel() for p in learning),
    }


class _InAList(nn.Module):
    """Layers that nobody registers."""

    def __init__(self, sizes: Sequence[int], *, with_first: bool = False) -> None:
        super().__init__()
        self.layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        if with_first:
            self.first = self.layers[0]

    def forward(self, x: Tensor) -> Tensor:
        """Go through all layers."""
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return torch.as_tensor(self.layers[-1](x))


def _sequence(sizes: Sequence[int], *, ends_in_relu: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*(layers if ends_in_relu else layers[:-1]))


@exercise(
    "registered-layers",
    page=PAGE,
    level="core",
    cases=_size_cases,
    observe=_with_known_weights,
    hint="nn.Sequential and nn.ModuleList register what they hold.",
    remark="nn.ParameterList and nn.ModuleDict are for what is no layer, or has a name.",
    mistakes=[
        Mistake(
            _InAList,
            "the layers lie in a plain list, so that the module has no parameters: an optimizer "
            "would move none of them, and a file would hold none.",
        ),
        Mistake(
            lambda sizes: _InAList(sizes, with_first=True),
            "only the first layer is an attribute; the others lie in a plain list.",
        ),
        Mistake(
            lambda sizes: _sequence(sizes, ends_in_relu=True),
            "a ReLU stands between any two layers, and none behind the last.",
        ),
        Mistake(
            lambda sizes: nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes))),
            "the ReLU between the layers is missing, and without it they are all one linear layer.",
        ),
    ],
)
def stack(sizes: Sequence[int]) -> nn.Module:
    """Make a network of linear layers with a ReLU between any two.

    The first takes ``sizes[0]`` numbers, the last returns ``sizes[-1]``. All layers must learn,
    move to other devices and types, and be saved.
    """
    layers: list[nn.Module] = [nn.Linear(sizes[0], sizes[1])]
    for a, b in pairwise(sizes[1:]):
        layers += [nn.ReLU(), nn.Linear(a, b)]
    return nn.Sequential(*layers)


_CHECKPOINT = "checkpoint"


class Disk:
    """A small disk that remembers in what order it was written."""

    def __init__(self, **files: str) -> None:
        self._moments = [dict(files)]

    @property
    def files(self) -> dict[str, str]:
        """Content of each file by its name, to read: a copy."""
        return self._moments[-1].copy()

    def write(self, name: str, content: str) -> None:
        """Write a file; a crash meanwhile leaves a part of the content."""
        for part in (content[: len(content) // 2], content):
            self._moments.append(self.files | {name: part})

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, at once; a file that had the name is gone."""
        files = self.files
        if old not in files:
            raise FileNotFoundError(f"there is no file {old!r} on this disk")
        content = files.pop(old)
        self._moments.append(files | {new: content})

    def delete(self, name: str) -> None:
        """Remove a file."""
        files = self.files
        if name not in files:
            raise FileNotFoundError(f"there is no file {name!r} on this disk")
        del files[name]
        self._moments.append(files)

    def contents_over_time(self, name: str) -> list[str | None]:
        """What a crash at each moment would have left under a name, None for no file."""
        return [files.get(name) for files in self._moments]


def _disks(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for content in ("weights after 200 steps", "other weights"):
        yield Disk(**{_CHECKPOINT: "weights after 100 steps", "notes": "keep"}), content


def _after_a_crash(arguments: tuple[Any, ...], disk: Any) -> Any:
    if not isinstance(disk, Disk):
        return disk
    content = arguments[1]
    found = disk.contents_over_time(_CHECKPOINT)
    whole = ("weights after 100 steps", content)
    return {
        "whether a crash at some moment leaves no checkpoint": None in found,
        "whether a crash at some moment leaves a torn one": any(
            f is not None and f not in whole for f in found
        ),
        "the checkpoint at the end": disk.files.get(_CHECKPOINT),
        "the files at the end": ", ".join(sorted(disk.files)),
    }


def _in_place(disk: Disk, content: str) -> Disk:
    disk.write(_CHECKPOINT, content)
    return disk


def _delete_first(disk: Disk, content: str) -> Disk:
    disk.write("new", content)
    disk.delete(_CHECKPOINT)
    disk.rename("new", _CHECKPOINT)
    return disk


def _move_aside_first(disk: Disk, content: str) -> Disk:
    disk.rename(_CHECKPOINT, "old")
    disk.write(_CHECKPOINT, content)
    disk.delete("old")
    return disk


def _left_lying(disk: Disk, content: str) -> Disk:
    disk.write("new", content)
    disk.write("newer", content)
    disk.rename("newer", _CHECKPOINT)
    return disk


@exercise(
    "safe-save",
    page=PAGE,
    level="core",
    cases=_disks,
    observe=_after_a_crash,
    hint="which of the disk's three acts can a crash not interrupt?",
    remark="On a real disk the content has to be flushed before the renaming: the order in which "
    "things reach the disk is not the order in which they were asked for.",
    mistakes=[
        Mistake(
            _in_place,
            "a crash while the file is written leaves a part of it, and the old one is gone.",
        ),
        Mistake(
            _delete_first,
            "between the deletion and the renaming there is no checkpoint. The "
            "renaming alone would do both at once.",
        ),
        Mistake(
            _move_aside_first,
            "while the new file is written, the name has none or half a "
            "checkpoint; the old one is there under a name that nobody looks for.",
        ),
        Mistake(_left_lying, "it is safe, but a file is left lying at the end."),
    ],
)
def save(disk: Disk, content: str) -> Disk:
    """Put ``content`` into the disk's file "checkpoint", whole or not at all; return the disk.

    ``disk.write(name, content)`` takes time, and a crash leaves a part of it under the name.
    ``disk.rename(old, new)`` and ``disk.delete(name)`` happen at once. At whatever moment the
    power fails, "checkpoint" must hold all of the old or all of the new content; in the end no
    file may be left that was not there before.
    """
    disk.write("checkpoint.new", content)
    disk.rename("checkpoint.new", "checkpoint")
    return disk


def _pauses(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((10, 0, 4), (10, 3, 0), (7, 1, 7), (100, 2, 64))


def _order(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


@exercise(
    "rest-of-the-epoch",
    page=PAGE,
    level="core",
    cases=_pauses,
    hint="draw the order of the whole epoch again, from its seed; then leave out what was seen.",
    remark="A stream of batches that goes on for ever keeps the generator's state instead of a "
    "seed, and the order of the epoch that it is in.",
    mistakes=[
        Mistake(
            lambda n, seed, n_seen: _order(n, seed),
            "this is the whole epoch: what was seen before the pause would be seen twice.",
        ),
        Mistake(
            lambda n, seed, n_seen: _order(n - n_seen, seed),
            "this shuffles the numbers below n - n_seen. Some of them were seen already, and the "
            "last samples would never come.",
        ),
        Mistake(
            lambda n, seed, n_seen: torch.arange(n_seen, n),
            "the data are not gone through in the order in which they lie.",
        ),
        Mistake(
            lambda n, seed, n_seen: _order(n, seed)[: n - n_seen],
            "these come first in the epoch; wanted are the ones behind them.",
        ),
    ],
)
def rest_of_epoch(n: int, seed: int, n_seen: int) -> Int64[Tensor, " R"]:
    """Numbers of the samples that are still to come in an epoch, in their order.

    The epoch goes through n samples in the order torch.randperm(n, generator=...) with a generator
    of this seed; n_seen of them were seen before the run was interrupted.
    """
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return order[n_seen:]
