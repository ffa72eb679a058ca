"""Levels of a small game as grids of tiles: made by a rule, and proved playable by a search."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from aigc_tutorial.data.checks import require_finite, require_rng
from aigc_tutorial.integers import IntegersLike, as_count, as_int64

TILES = "#.SKDG"
"""Wall, floor, start, key, door and goal; a tile's place in the string is its token."""

WALL, FLOOR, START, KEY, DOOR, GOAL = range(len(TILES))
"""The tokens by name."""

LEVEL_SHAPE = (4, 12)
"""Height and width of a level in tiles."""

DIFFICULTIES = ("short", "long")
"""By the number of steps of the shortest solution."""

_SHORT = 15  # steps up to which a level is short
_WALL_SHARE = 0.2

Cell = tuple[int, int]


@dataclass(frozen=True)
class Verdict:
    """What the solver says of a level.

    Attributes:
        path: the cells of a shortest solution, from start to goal; empty if there is none.
        problem: what is wrong with the level; empty for one that is in order.
    """

    path: tuple[Cell, ...]
    problem: str

    @property
    def playable(self) -> bool:
        """Whether the goal can be reached."""
        return bool(self.path)

    @property
    def in_order(self) -> bool:
        """Whether it can be played and nothing else is wrong: the key is needed."""
        return not self.problem

    @property
    def n_steps(self) -> int:
        """Steps of the shortest solution.

        Raises:
            ValueError: if there is none.
        """
        if not self.path:
            raise ValueError(f"the level has no solution: {self.problem}")
        return len(self.path) - 1


def judge_level(level: Int64[Tensor, "H W"] | IntegersLike) -> Verdict:
    """Prove that a level can be played, or say why not.

    There must be one start, key, door and goal each. One goes up, down, left or right, not through
    walls, and through the door only after the key. The search is a breadth-first one over pairs of
    a cell and whether the key is in hand, so the first solution it meets is a shortest one.

    Raises:
        ValueError: if the level is no grid of tiles.
    """
    rows = as_level(level).tolist()
    where: dict[int, list[Cell]] = {tile: [] for tile in range(len(TILES))}
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            where[tile].append((i, j))
    for tile, name in ((START, "start"), (KEY, "key"), (DOOR, "door"), (GOAL, "goal")):
        if len(where[tile]) != 1:
            return Verdict((), f"{len(where[tile]) or 'no'} {name}{'s' * (len(where[tile]) > 1)}")
    path = _search(rows, where[START][0])
    if not path:
        return Verdict((), "the goal is out of reach")
    closed = [[WALL if tile == DOOR else tile for tile in row] for row in rows]
    return Verdict(path, "the key is not needed" if _search(closed, where[START][0]) else "")


def _search(rows: Sequence[Sequence[int]], start: Cell) -> tuple[Cell, ...]:
    """Cells of a shortest way from the start to a goal, breadth first; () if there is none."""
    first = (start, False)
    before: dict[tuple[Cell, bool], tuple[Cell, bool] | None] = {first: None}
    queue = deque([first])
    while queue:
        state = queue.popleft()
        (i, j), has_key = state
        if rows[i][j] == GOAL:
            return _way_back(before, state)
        for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if not (0 <= a < len(rows) and 0 <= b < len(rows[0])):
                continue
            tile = rows[a][b]
            if tile == WALL or (tile == DOOR and not has_key):
                continue
            following = ((a, b), has_key or tile == KEY)
            if following not in before:
                before[following] = state
                queue.append(following)
    return ()


def _way_back(
    before: dict[tuple[Cell, bool], tuple[Cell, bool] | None], state: tuple[Cell, bool]
) -> tuple[Cell, ...]:
    path: list[Cell] = []
    step: tuple[Cell, bool] | None = state
    while step is not None:
        path.append(step[0])
        step = before[step]
    return tuple(reversed(path))


def difficulty_of(n_steps: int) -> int:
    """Which of ``DIFFICULTIES`` a solution of so many steps is."""
    return int(as_count(n_steps, "n_steps", at_least=0) > _SHORT)


def make_levels(
    n: int, *, rng: torch.Generator
) -> tuple[Int64[Tensor, "n H W"], Int64[Tensor, " n"]]:
    """Make levels by a rule, with their difficulties, equally many of each up to rounding.

    A wall with a door divides the room. Start and key lie on its left, the start at the edge; the
    goal lies at the right edge. Of the other cells every fifth is a wall, by chance. What the
    solver refuses is made anew.

    Raises:
        ValueError: if ``n`` is below 1.
    """
    as_count(n, "n")
    require_rng(rng)
    wanted = [(n + 1) // 2, n // 2]
    levels: list[list[Tensor]] = [[], []]
    while any(len(found) < count for found, count in zip(levels, wanted, strict=True)):
        level = _draw(rng)
        verdict = judge_level(level)
        if verdict.in_order:
            k = difficulty_of(verdict.n_steps)
            levels[k] += [level] * (len(levels[k]) < wanted[k])
    rows = torch.stack([level for found in levels for level in found])
    classes = torch.arange(2, device="cpu").repeat_interleave(torch.tensor(wanted, device="cpu"))
    order = torch.randperm(n, generator=rng, device="cpu")
    return rows[order], classes[order]


def _draw(rng: torch.Generator) -> Int64[Tensor, "H W"]:
    """One room as the rule draws it, solvable or not."""
    height, width = LEVEL_SHAPE
    level = torch.full(LEVEL_SHAPE, FLOOR, device="cpu")
    level[torch.rand(LEVEL_SHAPE, generator=rng, device="cpu") < _WALL_SHARE] = WALL

    def below(n: int) -> int:
        return int(torch.randint(n, (), generator=rng, device="cpu"))

    divide = 4 + below(5)
    level[:, divide] = WALL
    level[below(height), divide] = DOOR
    level[below(height), 0] = START
    level[below(height), width - 1] = GOAL
    level[below(height), 1 + below(divide - 1)] = KEY
    return level


def as_level(level: Int64[Tensor, "H W"] | IntegersLike) -> Int64[Tensor, "H W"]:
    """A grid of tiles on the CPU.

    Raises:
        ValueError: if it is none.
    """
    grid = as_int64(level, "level", "read_level takes one from text")
    if grid.ndim != 2 or grid.numel() == 0:
        raise ValueError(
            f"expected one level of shape (H, W), got {tuple(grid.shape)}; judge a batch level by "
            "level"
        )
    _require_tiles(grid)
    return grid.cpu()


def as_levels(levels: Int64[Tensor, "N H W"], name: str) -> Int64[Tensor, "N H W"]:
    """A batch of grids of tiles, on the device where they are.

    Raises:
        ValueError: if they are none.
    """
    grids = as_int64(levels, name)
    if grids.ndim != 3:
        raise ValueError(
            f"expected {name} of shape (N, H, W), got {tuple(grids.shape)}; level[None] makes one "
            "level a batch"
        )
    _require_tiles(grids)
    return grids


def _require_tiles(grid: Int64[Tensor, "..."]) -> None:
    if grid.numel() and not 0 <= int(grid.min()) <= int(grid.max()) < len(TILES):
        raise ValueError(f"a tile is not in 0 … {len(TILES) - 1}, the places in {TILES!r}")


def read_level(text: str) -> Int64[Tensor, "H W"]:
    """A level from lines of the characters in ``TILES``.

    Raises:
        ValueError: at another character, or if the lines are not equally long.
    """
    lines = text.split()
    if unknown := sorted(set("".join(lines)) - set(TILES)):
        raise ValueError(f"there are no tiles {unknown}; expected those of {TILES!r}")
    if len({len(line) for line in lines}) != 1:
        raise ValueError("the lines must be equally long, one for each row of the level")
    return torch.tensor([[TILES.index(tile) for tile in line] for line in lines], device="cpu")


def write_level(level: Int64[Tensor, "H W"] | IntegersLike) -> str:
    """A level as lines of characters, as :func:`read_level` takes them."""
    return "\n".join("".join(TILES[tile] for tile in row) for row in as_level(level).tolist())


def one_hot(levels: Int64[Tensor, "N H W"]) -> Float[Tensor, "N C H W"]:
    """Levels as images for a GAN: a channel for each tile, 1 where it stands and −1 elsewhere.

    Raises:
        ValueError: if they are not a batch of levels.
    """
    grids = as_levels(levels, "levels")
    planes = torch.nn.functional.one_hot(grids, len(TILES)).movedim(-1, 1)
    return 2 * planes.float() - 1


def from_images(images: Float[Tensor, "N C H W"]) -> Int64[Tensor, "N H W"]:
    """The tile with the largest value in each cell: what a GAN's images stand for.

    Raises:
        ValueError: if there is not one channel for each tile, or a value is NaN or infinite.
    """
    if images.ndim != 4 or images.shape[1] != len(TILES):
        raise ValueError(
            f"expected images (N, {len(TILES)}, H, W), a channel for each tile, got "
            f"{tuple(images.shape)}"
        )
    require_finite(images, "images")
    return images.argmax(dim=1)


def has_one_of_each(levels: Int64[Tensor, "N H W"]) -> Bool[Tensor, " N"]:
    """Whether a level has exactly one start, key, door and goal, wherever they are.

    Raises:
        ValueError: if they are not a batch of levels.
    """
    flat = as_levels(levels, "levels").flatten(1)
    counts = torch.stack([(flat == tile).sum(dim=1) for tile in (START, KEY, DOOR, GOAL)])
    return (counts == 1).all(dim=0)


def differing_tiles(
    a: Int64[Tensor, " N H W"], b: Int64[Tensor, " M H W"]
) -> Int64[Tensor, " N M"]:
    """In how many tiles each level of ``a`` differs from each of ``b``.

    Raises:
        ValueError: if they are not batches of levels of one size.
    """
    first, second = as_levels(a, "a"), as_levels(b, "b")
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"levels of {tuple(first.shape[1:])} and {tuple(second.shape[1:])} tiles cannot be "
            "compared tile by tile"
        )
    n_tiles = first.shape[1] * first.shape[2]
    x, y = (
        torch.nn.functional.one_hot(grids, len(TILES)).to(torch.float32).reshape(len(grids), -1)
        if len(grids)
        else torch.zeros(0, n_tiles * len(TILES), device=grids.device, dtype=torch.float32)
        for grids in (first, second)
    )
    return n_tiles - (x @ y.T).round().long()
