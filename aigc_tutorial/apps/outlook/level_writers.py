"""Who writes levels: a Transformer, a GAN, and two rules that need no network."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial import ar, gan
from aigc_tutorial.apps.outlook.levels import (
    DIFFICULTIES,
    LEVEL_SHAPE,
    TILES,
    WALL,
    as_levels,
    from_images,
    one_hot,
)
from aigc_tutorial.data.checks import as_classes, require_rng
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn import seeded_weights

_N_TILES = LEVEL_SHAPE[0] * LEVEL_SHAPE[1]
_SHORT = len(TILES)  # the Transformer has two more tokens, for short and long

AUTHOR = ar.TransformerConfig(
    len(TILES) + len(DIFFICULTIES), context=_N_TILES, n_layers=2, n_heads=4, width=64
)
"""A Transformer that writes a level tile by tile, after a token for its difficulty."""

AUTHOR_TRAINING = ar.ARTrainingConfig(
    n_tokens=200_000, batch_size=32, learning_rate_matrices=0.02, warmup_tokens=15_000
)
"""Its training; a level is 48 tokens."""

BUILDER = gan.recipes.Recipe(
    name="level-gan",
    generator_class=gan.ConvGenerator,
    generator_config=gan.ConvGeneratorConfig(32, (len(TILES), *LEVEL_SHAPE), (64, 32), n_classes=2),
    discriminator_class=gan.ConvDiscriminator,
    discriminator_config=gan.ConvDiscriminatorConfig(
        (len(TILES), *LEVEL_SHAPE), (32, 64, 128), n_classes=2
    ),
    loss=gan.losses.RELATIVISTIC,
    training=gan.GANTrainingConfig(
        n_images=12_800,
        learning_rate_generator=2e-3,
        learning_rate_discriminator=1e-3,
        r1_gamma=5.0,
        ema_half_life_images=1_300,
        warmup_images=1_000,
    ),
)
"""A conditional GAN that makes a level at once, as an image with a channel for each tile."""


def train_author(
    levels: Int64[Tensor, "N H W"],
    difficulties: Int64[Tensor, " N"],
    *,
    config: ar.ARTrainingConfig = AUTHOR_TRAINING,
    seed: int = 0,
) -> ar.Transformer:
    """Train the Transformer on levels and their difficulties."""
    grids, classes = _as_labelled(levels, difficulties)
    with seeded_weights(as_count(seed, "seed", at_least=0)):
        author = ar.Transformer(AUTHOR)
    rows = torch.cat([_SHORT + classes[:, None], grids.flatten(1)], dim=1)
    return ar.train(author, rows, config=config, seed=seed, progress_bar=False).model


def write_with(
    author: ar.Transformer, difficulties: Int64[Tensor, " N"], *, rng: torch.Generator
) -> Int64[Tensor, "N H W"]:
    """Let the Transformer write a level for each difficulty; what is no tile becomes a wall."""
    classes = as_classes(difficulties, len(DIFFICULTIES), "difficulties")
    rows = author.generate(_SHORT + classes[:, None], max_new_tokens=_N_TILES, rng=rng)[:, 1:]
    return rows.where(rows < len(TILES), WALL).view(-1, *LEVEL_SHAPE)


def train_builder(
    levels: Int64[Tensor, "N H W"],
    difficulties: Int64[Tensor, " N"],
    *,
    recipe: gan.recipes.Recipe = BUILDER,
    seed: int = 0,
) -> gan.ConvGenerator:
    """Train the GAN on levels and their difficulties."""
    grids, classes = _as_labelled(levels, difficulties)
    trained = recipe.train(one_hot(grids), labels=classes, seed=seed, progress_bar=False)
    assert isinstance(trained.generator, gan.ConvGenerator)
    return trained.generator


def build_with(
    builder: gan.ConvGenerator, difficulties: Int64[Tensor, " N"], *, rng: torch.Generator
) -> tuple[Int64[Tensor, "N H W"], Float[Tensor, "N C H W"]]:
    """Let the GAN make a level for each difficulty: the levels, and the images they stand for."""
    classes = as_classes(difficulties, len(DIFFICULTIES), "difficulties")
    images = builder.sample(len(classes), classes, rng=rng)
    return from_images(images), images


def throw_dice(
    levels: Int64[Tensor, "N H W"], n: int, *, rng: torch.Generator
) -> Int64[Tensor, "n H W"]:
    """Draw each cell by itself, with the frequencies that its tiles have in that cell.

    Raises:
        ValueError: if there is no level to count in, or ``n`` is below 1.
    """
    grids = as_levels(levels, "levels")
    if not len(grids):
        raise ValueError("there is no level to count tiles in")
    counts = torch.nn.functional.one_hot(grids.flatten(1), len(TILES)).sum(dim=0)
    chances = counts.to(device=require_rng(rng).device, dtype=torch.float32)
    drawn = torch.multinomial(chances, as_count(n, "n"), replacement=True, generator=rng)
    return drawn.T.reshape(n, *grids.shape[1:])


def edit_levels(
    levels: Int64[Tensor, "N H W"], *, n_swaps: int = 3, rng: torch.Generator
) -> Int64[Tensor, "N H W"]:
    """Let pairs of cells, drawn at random in each level, change their tiles.

    Raises:
        ValueError: if a level has fewer than two cells for each pair.
    """
    grids = as_levels(levels, "levels")
    n_cells = grids.shape[1] * grids.shape[2]
    n_taken = 2 * as_count(n_swaps, "n_swaps")
    if n_taken > n_cells:
        raise ValueError(f"{n_swaps} pairs need {n_taken} cells, and a level has {n_cells}")
    flat = grids.flatten(1).clone()
    for row in flat:
        order = torch.randperm(n_cells, generator=require_rng(rng), device=rng.device)[:n_taken]
        places = order.to(row.device)
        row[places] = row[places.roll(n_swaps)]
    return flat.view_as(grids)


def _as_labelled(
    levels: Int64[Tensor, "N H W"], difficulties: Int64[Tensor, " N"]
) -> tuple[Int64[Tensor, "N H W"], Int64[Tensor, " N"]]:
    grids = as_levels(levels, "levels")
    classes = as_classes(difficulties, len(DIFFICULTIES), "difficulties")
    if grids.shape[1:] != LEVEL_SHAPE or len(classes) != len(grids) or not len(grids):
        raise ValueError(
            f"expected levels (N, {LEVEL_SHAPE[0]}, {LEVEL_SHAPE[1]}) with a difficulty for each, "
            f"got {tuple(grids.shape)} and {tuple(classes.shape)}"
        )
    return grids, classes
