"""Who writes levels: the rules without a network, and what the networks are given and give."""

import dataclasses
import inspect
from typing import Any

import pytest
import torch

from aigc_tutorial.apps.outlook import level_writers, levels

unchecked: Any = inspect.unwrap  # as where no types are checked


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def made():
    return levels.make_levels(64, rng=seeded())


def test_dice_know_what_stands_in_each_cell_and_nothing_of_the_others(made):
    rooms, _ = made
    thrown = level_writers.throw_dice(rooms, 4_000, rng=seeded())
    for tile in range(len(levels.TILES)):
        expected = (rooms == tile).double().mean(dim=0)
        found = (thrown == tile).double().mean(dim=0)
        assert float((expected - found).abs().max()) < 0.04
        assert not bool(found[expected == 0].any())
    # The starts of a level exclude each other, those of dice do not.
    assert bool(((thrown == levels.START).flatten(1).sum(dim=1) > 1).any())


def test_edited_levels_have_the_same_tiles_in_at_most_six_other_cells(made):
    rooms, _ = made
    edited = level_writers.edit_levels(rooms, rng=seeded())
    assert torch.equal(edited.flatten(1).sort().values, rooms.flatten(1).sort().values)
    changed = (edited != rooms).flatten(1).sum(dim=1)
    assert 2 <= int(changed.max()) <= 6
    assert set((changed % 2).tolist()) == {0}
    assert torch.equal(rooms, levels.make_levels(64, rng=seeded())[0])  # in place of nothing
    assert not torch.equal(edited, level_writers.edit_levels(rooms, rng=seeded(1)))


def test_what_the_transformer_writes_is_tiles_even_untrained(made):
    config = dataclasses.replace(level_writers.AUTHOR_TRAINING, n_tokens=64, batch_size=2)
    author = level_writers.train_author(made[0][:4], made[1][:4], config=config)
    written = level_writers.write_with(author, torch.arange(6) % 2, rng=seeded())
    assert written.shape == (6, *levels.LEVEL_SHAPE)
    assert 0 <= int(written.min()) <= int(written.max()) < len(levels.TILES)


def test_what_the_gan_makes_is_the_brightest_tile_of_its_images(made):
    recipe = dataclasses.replace(
        level_writers.BUILDER,
        training=dataclasses.replace(level_writers.BUILDER.training, n_images=64),
    )
    builder = level_writers.train_builder(*made, recipe=recipe)
    built, images = level_writers.build_with(builder, torch.arange(5) % 2, rng=seeded())
    assert torch.equal(built, images.argmax(dim=1))
    assert built.shape == (5, *levels.LEVEL_SHAPE)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda r, d: unchecked(level_writers._as_labelled)(r, d[:3]), "a difficulty for each"),
        (lambda r, d: level_writers.train_author(r, d + 1), "between 0 and 1"),
        (lambda r, d: level_writers.train_builder(r[:, :2], d), "a difficulty for each"),
        (lambda r, d: level_writers.throw_dice(r[:0], 3, rng=seeded()), "no level"),
        (lambda r, d: level_writers.edit_levels(r, n_swaps=25, rng=seeded()), "need 50 cells"),
    ],
)
def test_what_does_not_belong_together_is_refused(made, call, match):
    with pytest.raises(ValueError, match=match):
        call(*made)
