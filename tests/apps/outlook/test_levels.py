"""Levels: the solver beside a naive one, what it refuses, and what the rule makes."""

import inspect
import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_tutorial.apps.outlook import levels
from aigc_tutorial.apps.outlook.drawing import draw_level

unchecked: Any = inspect.unwrap  # as where no types are checked

IN_ORDER = """
SK#.
..D.
..#G
"""


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def naive_n_steps(rows, *, door_opens=True):
    """Fewest steps to the goal, by relaxing all states until nothing changes; None if none lead."""
    cells = list(itertools.product(range(len(rows)), range(len(rows[0]))))
    steps = {(cell, False): 0 for cell in cells if rows[cell[0]][cell[1]] == levels.START}
    changed = True
    while changed:
        changed = False
        for ((i, j), has_key), n in list(steps.items()):
            for a, b in cells:
                tile = rows[a][b]
                if abs(a - i) + abs(b - j) != 1 or tile == levels.WALL:
                    continue
                if tile == levels.DOOR and not (has_key and door_opens):
                    continue
                state = ((a, b), has_key or tile == levels.KEY)
                if n + 1 < steps.get(state, 10**9):
                    steps[state] = n + 1
                    changed = True
    goals = [n for ((i, j), _), n in steps.items() if rows[i][j] == levels.GOAL]
    return min(goals, default=None)


@st.composite
def with_one_of_each(draw):
    height, width = draw(st.integers(2, 4)), draw(st.integers(2, 5))
    tiles = draw(st.lists(st.sampled_from([levels.WALL, levels.FLOOR]), min_size=height * width,
                          max_size=height * width))  # fmt: skip
    places = draw(st.permutations(range(height * width)))[:4]
    for place, tile in zip(
        places, (levels.START, levels.KEY, levels.DOOR, levels.GOAL), strict=True
    ):
        tiles[place] = tile
    return torch.tensor(tiles).view(height, width)


@settings(deadline=None, max_examples=150)
@given(with_one_of_each())
def test_the_search_finds_a_shortest_way_and_says_whether_the_key_is_needed(level):
    verdict, rows = levels.judge_level(level), level.tolist()
    n = naive_n_steps(rows)
    if n is None:
        assert verdict.problem == "the goal is out of reach"
        assert not verdict.playable
    else:
        assert verdict.n_steps == n
        assert verdict.in_order == (naive_n_steps(rows, door_opens=False) is None)


def test_a_path_leads_from_start_to_goal_by_single_steps_and_fetches_the_key_before_the_door():
    level = levels.read_level(IN_ORDER)
    path = levels.judge_level(level).path
    tiles = [levels.TILES[level[cell]] for cell in path]
    assert (tiles[0], tiles[-1]) == ("S", "G")
    assert tiles.index("K") < tiles.index("D")
    for (i, j), (a, b) in itertools.pairwise(path):
        assert abs(i - a) + abs(j - b) == 1


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (IN_ORDER.replace("S", "."), "no start"),
        (IN_ORDER.replace("G", "."), "no goal"),
        (IN_ORDER.replace("..D.", "G.D."), "2 goals"),
        (IN_ORDER.replace("K", "."), "no key"),
        (IN_ORDER.replace("D", "#"), "no door"),
        ("SK#.\n..D.\nD.#G", "2 doors"),
        ("S##.\n#KD.\n..#G", "the goal is out of reach"),
        ("S.#K\n..D.\n..#G", "the goal is out of reach"),
        ("SK..\n..D.\n..#G", "the key is not needed"),
    ],
)
def test_broken_levels_are_refused_with_the_reason(broken, problem):
    verdict = levels.judge_level(levels.read_level(broken))
    assert verdict.problem == problem
    assert not verdict.in_order
    assert verdict.playable == (problem == "the key is not needed")


def test_the_rule_makes_levels_in_order_as_many_short_as_long_and_the_same_for_a_seed():
    made, classes = levels.make_levels(41, rng=seeded())
    verdicts = [levels.judge_level(level) for level in made]
    assert all(verdict.in_order for verdict in verdicts)
    assert [levels.difficulty_of(v.n_steps) for v in verdicts] == classes.tolist()
    assert int(classes.sum()) == 20
    again, _ = levels.make_levels(41, rng=seeded())
    assert torch.equal(made, again)
    assert not torch.equal(made, levels.make_levels(41, rng=seeded(1))[0])


def test_one_hot_images_and_levels_are_inverse_and_text_is_too():
    made, _ = levels.make_levels(5, rng=seeded())
    images = levels.one_hot(made)
    assert images.shape == (5, len(levels.TILES), *levels.LEVEL_SHAPE)
    assert torch.equal(images.sum(dim=1), torch.full((5, *levels.LEVEL_SHAPE), -4.0))
    assert torch.equal(levels.from_images(images), made)
    assert torch.equal(levels.read_level(levels.write_level(made[0])), made[0])


def test_one_of_each_is_what_the_solver_asks_first():
    grids = torch.stack([levels.read_level(IN_ORDER), levels.read_level("SK#.\n..D.\nG.#G")])
    assert levels.has_one_of_each(grids).tolist() == [True, False]


def test_no_level_differs_from_none():
    made, _ = levels.make_levels(2, rng=seeded())
    assert levels.differing_tiles(made[:0], made).shape == (0, 2)
    assert levels.differing_tiles(made, made[:0]).shape == (2, 0)


def test_differing_tiles_counts_them():
    made, _ = levels.make_levels(6, rng=seeded())
    expected = [[int((a != b).sum()) for b in made] for a in made[:2]]
    assert levels.differing_tiles(made[:2], made).tolist() == expected


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: levels.judge_level(torch.zeros(2, 3, 4, dtype=torch.int64)), "one level"),
        (lambda: levels.judge_level([[0, 9]]), "not in 0"),
        (lambda: levels.read_level("S?"), "no tiles"),
        (lambda: levels.read_level("S.\n..."), "equally long"),
        (lambda: levels.judge_level(levels.read_level("S#G")).n_steps, "no solution"),
        (lambda: levels.make_levels(0, rng=seeded()), "n"),
        (lambda: levels.difficulty_of(-1), "n_steps"),
        (lambda: levels.one_hot(torch.full((1, 4, 12), 7)), "not in 0"),
        (lambda: unchecked(levels.as_levels)(torch.zeros(4, 12).long(), "levels"), "shape"),
        (lambda: levels.from_images(torch.zeros(1, 8, 4, 12)), "channel for each tile"),
        (lambda: levels.from_images(torch.full((1, 6, 4, 12), torch.nan)), "NaN"),
        (
            lambda: unchecked(levels.differing_tiles)(
                torch.zeros(1, 2, 24).long(), torch.zeros(1, 4, 12).long()
            ),
            "cannot be compared",
        ),
        (lambda: draw_level(torch.full((4, 12), 7)), "not in 0"),
        (lambda: draw_level(torch.zeros(4, 12).long(), path=[(4, 0)]), "leaves the level"),
        (lambda: draw_level(torch.zeros(4, 12).long(), n_tiles=-1), "n_tiles"),
    ],
)
def test_what_is_no_level_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
