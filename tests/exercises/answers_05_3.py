"""Answers to the exercises of the walkthrough."""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from tests.exercises.answers import Answers


class InAModuleList(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(map(nn.Linear, sizes[:-1], sizes[1:]))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = layer(x).clamp(min=0)
        return self.layers[-1](x)


class ByName(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.n = len(sizes) - 1
        for i in range(self.n):
            setattr(self, f"layer_{i}", nn.Linear(sizes[i], sizes[i + 1]))

    def forward(self, x):
        for i in range(self.n):
            x = getattr(self, f"layer_{i}")(x if i == 0 else x.relu())
        return x


class Mixed(nn.Module):
    """All layers in a list, the last one registered besides."""

    def __init__(self, sizes):
        super().__init__()
        self.layers = [*map(nn.Linear, sizes[:-1], sizes[1:])]
        self.last = self.layers[-1]

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.last(x)


def without_biases(sizes):
    layers = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b, bias=False), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Registered(nn.Module):
    """Layers in a list, and registered besides, which is the same to a module."""

    def __init__(self, sizes):
        super().__init__()
        self.layers = [*map(nn.Linear, sizes[:-1], sizes[1:])]
        for i, layer in enumerate(self.layers):
            self.add_module(str(i), layer)

    forward = Mixed.forward
    last = property(lambda self: self.layers[-1])


def in_a_dictionary(sizes):
    network = Mixed(sizes)
    network.add_module("last", nn.Identity())
    return network


def one_too_few(sizes):
    return nn.Sequential(*list(InAModuleList(sizes).layers)[:1])


def frozen(sizes):
    return InAModuleList(sizes).requires_grad_(False)


class HalfWithoutGradient(InAModuleList):
    def forward(self, x):
        with torch.no_grad():
            for layer in self.layers[:-1]:
                x = layer(x).relu()
        return self.layers[-1](x)


def aside(disk, content):
    disk.write("somewhere else", content)
    disk.rename("somewhere else", "checkpoint")
    return disk


def aside_with_backup(disk, content):
    disk.write("backup", disk.files["checkpoint"])
    disk.write("next", content)
    disk.rename("next", "checkpoint")
    disk.delete("backup")
    return disk


def over_the_notes(disk, content):
    disk.write("notes", content)
    disk.rename("notes", "checkpoint")
    return disk


def only_aside(disk, content):
    disk.write("checkpoint.new", content)
    return disk


def twice(disk, content):
    disk.write("new", content)
    disk.write("checkpoint", content)
    disk.delete("new")
    return disk


def past_the_disk(disk, content):
    disk.files["checkpoint"] = content
    return disk


def through_a_third_name(disk, content):
    disk.write("new", content)
    disk.rename("new", "newer")
    disk.rename("newer", "checkpoint")
    return disk


def old_aside(disk, content):
    disk.write("new", content)
    disk.rename("checkpoint", "old")
    disk.rename("new", "checkpoint")
    disk.delete("old")
    return disk


def wrong_way(disk, content):
    disk.write("new", content)
    disk.rename("checkpoint", "new")
    return disk


def by_a_loop(n, seed, n_seen):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
    return [order[i] for i in range(n_seen, n)]


def with_global_seed(n, seed, n_seen):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.randperm(n)[n_seen:].int()


def counted_off(n, seed, n_seen):
    seen = set(torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:n_seen].tolist())
    whole = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return whole[[int(i) not in seen for i in whole]].numpy()


def one_too_many(n, seed, n_seen):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return order[max(0, n_seen - 1) :]


def backwards(n, seed, n_seen):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return order[n_seen:].flip(0)


def another_seed(n, seed, n_seen):
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed + n_seen))[n_seen:]


def sorted_rest(n, seed, n_seen):
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))[n_seen:].sort().values


ANSWERS = {
    "best-interval": Answers(
        right=[
            lambda cost, between: (2 * cost * between) ** 0.5,
            lambda cost, between: np.sqrt(2 * cost * between),
            lambda cost, between: torch.tensor(2 * cost * between, dtype=torch.float64).sqrt(),
            lambda cost, between: math.exp(0.5 * math.log(2 * cost * between)),
        ],
        wrong=[
            lambda cost, between: math.sqrt(cost * between / 2),
            lambda cost, between: between / 2,
            lambda cost, between: math.sqrt(2 * cost * between) - cost,
            lambda cost, between: math.sqrt(2 * cost * between) / 60,
        ],
    ),
    "registered-layers": Answers(
        right=[InAModuleList, ByName, Registered],
        wrong=[
            Mixed,
            in_a_dictionary,
            one_too_few,
            without_biases,
            frozen,
            HalfWithoutGradient,
            lambda sizes: nn.Linear(sizes[0], sizes[-1]),
        ],
    ),
    "safe-save": Answers(
        right=[aside, aside_with_backup, through_a_third_name],
        wrong=[over_the_notes, only_aside, twice, wrong_way, past_the_disk, old_aside],
    ),
    "rest-of-the-epoch": Answers(
        right=[by_a_loop, with_global_seed, counted_off],
        wrong=[
            one_too_many,
            backwards,
            another_seed,
            sorted_rest,
            lambda n, seed, n_seen: torch.randperm(n)[n_seen:],
        ],
    ),
}
