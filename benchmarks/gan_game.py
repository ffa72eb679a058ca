"""What networks, game and tricks did for the digits, each at the best of the same number of rates.

    python benchmarks/gan_game.py                       # everything, about half an hour on one core
    python benchmarks/gan_game.py dense-plain dense-recipe   # parts of it

Three pairs of networks play two games. ``dense`` is the source document's pair, fully connected;
``mixed`` has a convolutional discriminator in its place; in ``conv`` the generator is convolutional
too. ``plain`` is cross-entropy and Adam as DCGAN sets it. ``recipe`` is the game of ``MNIST_MLP``:
the relativistic loss, R1, Adam without momentum, and a schedule. ``conv-spectral`` moves the
discriminator's kernels by spectral descent and not by Adam.

Every run sees as many images, whatever time that takes, so several may share a machine. Three rates
are tried for each part, and three times the last one as long as it was the best; one seed chooses
among them, and other seeds judge. The averaged generator
counts; the one that was trained is measured beside it. Needs MNIST itself.

Each part replaces its entry in ``benchmarks/results/gan_game.json``, and all are written again as a
table to ``gan_game.md``.
"""

import dataclasses
import statistics
from functools import partial
from pathlib import Path

import torch
from recording import Results, protocol, recorded, run_parts

from aigc_tutorial import gan, zoo
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.data import mnist
from aigc_tutorial.evaluation import evaluate_digits
from aigc_tutorial.gan.recipes import MNIST_CONV, MNIST_MLP, Recipe
from aigc_tutorial.training import Engine

RESULTS = Path(__file__).parent / "results" / "gan_game.json"
N_IMAGES = 12_000
N_SAMPLES = 2_000
CHOOSING_SEED = 100
"""Of the runs that choose a rate; those that are judged have others."""
FACTORS = (1 / 3, 1.0, 3.0, 9.0, 27.0)
"""Tried on both networks' rates: three, then the next as long as the last one was the best."""

PLAIN = dataclasses.replace(
    MNIST_MLP,
    name="plain",
    loss=gan.losses.NON_SATURATING,
    training=gan.GANTrainingConfig(
        learning_rate_generator=6e-4,
        learning_rate_discriminator=6e-4,
        learning_rate_kernels=0.0,
        betas=(0.5, 0.999),
        warmup_images=0,
        flat_until=1.0,
        r1_gamma=0.0,
    ),
)
RECIPE = dataclasses.replace(
    MNIST_MLP,
    name="recipe",
    training=dataclasses.replace(MNIST_MLP.training, learning_rate_kernels=0.0),
)
SPECTRAL = dataclasses.replace(
    RECIPE,
    name="spectral",
    training=dataclasses.replace(RECIPE.training, learning_rate_kernels=0.01),
)


def mixed(recipe: Recipe) -> Recipe:
    """The same game with the convolutional discriminator."""
    return dataclasses.replace(
        recipe,
        discriminator_class=MNIST_CONV.discriminator_class,
        discriminator_config=MNIST_CONV.discriminator_config,
    )


def convolutional(recipe: Recipe) -> Recipe:
    """The same game with both convolutional networks."""
    return dataclasses.replace(
        mixed(recipe),
        generator_class=MNIST_CONV.generator_class,
        generator_config=MNIST_CONV.generator_config,
    )


PARTS = {
    "dense-plain": PLAIN,
    "dense-recipe": RECIPE,
    "mixed-plain": mixed(PLAIN),
    "mixed-recipe": mixed(RECIPE),
    "conv-plain": convolutional(PLAIN),
    "conv-recipe": convolutional(RECIPE),
    "conv-spectral": convolutional(SPECTRAL),
}


def variants(recipe: Recipe) -> list[Recipe]:
    """The recipe with all its rates times each factor."""
    training = recipe.training
    names = ("learning_rate_generator", "learning_rate_discriminator", "learning_rate_kernels")
    return [
        dataclasses.replace(
            recipe,
            training=dataclasses.replace(
                training, **{name: factor * getattr(training, name) for name in names}
            ),
        )
        for factor in FACTORS
    ]


def run(recipe: Recipe, seed: int) -> Results:
    """Train, then measure the averaged generator and the trained one."""
    result = recipe.train(
        mnist("train").images,
        n_images=N_IMAGES,
        seed=seed,
        engine=Engine(device="cpu", mixed_precision="no"),
        progress_bar=False,
    )
    classifier, reference = zoo.load("mnist-classifier"), zoo.digit_reference()
    averaged, trained = (
        evaluate_digits(
            network.sample(N_SAMPLES, rng=torch.Generator().manual_seed(1_000 + seed)),
            classifier,
            reference,
        )
        for network in (result.generator, result.raw_generator)
    )
    return {
        "frechet": round(averaged.frechet, 1),
        "precision": round(averaged.precision, 3),
        "recall": round(averaged.recall, 3),
        "commonest_share": round(max(averaged.class_shares), 3),
        "frechet_not_averaged": round(trained.frechet, 1),
    }


def measure(part: str, seeds: list[int]) -> Results:
    """Choose the rates, then judge them; what is on record with the same budget is kept."""
    tune_cpu()
    recipe, earlier = PARTS[part], recorded(RESULTS).get(part, {})
    if earlier.get("n_images") != N_IMAGES:
        earlier = {}
    tried = {row["rate"]: row["frechet"] for row in earlier.get("tried", [])}
    sides = {side.training.learning_rate_generator: side for side in variants(recipe)}
    for i, (rate, side) in enumerate(sides.items()):
        if i >= 3 and min(tried, key=lambda known: tried[known]) < max(tried):
            break  # the best lies inside
        if rate not in tried:
            tried[rate] = run(side, CHOOSING_SEED)["frechet"]
            print(f"rate {rate:.2g}: {tried[rate]}", flush=True)
    best = min(tried, key=lambda rate: tried[rate])
    if earlier.get("rate") == best and earlier["seeds"] == seeds:
        runs = earlier["runs"]
    else:
        runs = [run(sides[best], seed) for seed in seeds]
        print(runs, flush=True)
    return {
        "unit": f"digit-feature Fréchet distance, {N_SAMPLES:,} samples against the test set",
        "n_images": N_IMAGES,
        "tried": [{"rate": rate, "frechet": tried[rate]} for rate in sorted(tried)],
        "rate": best,
        "runs": runs,
    }


def as_tables(results: Results) -> str:
    """Everything recorded so far as Markdown."""
    lines = [
        "# Networks and game",
        "",
        "Written by `python benchmarks/gan_game.py`; not edited by hand. Digit-feature Fréchet",
        f"distance after {N_IMAGES:,} images, {N_SAMPLES:,} samples. Rates are the generator's;",
        "the discriminator's moves with it.",
        "",
        "| networks and game | rates tried, distance | chosen | mean | each seed | recall, mean | "
        "not averaged, mean |",
        "|:--|:--|--:|--:|:--|--:|--:|",
    ]
    found = {part: results[part] for part in PARTS if part in results}
    for part, result in found.items():
        tried = ", ".join(f"{row['rate']:.2g}: {row['frechet']:.0f}" for row in result["tried"])
        each = ", ".join(f"{row['frechet']:.0f}" for row in result["runs"])
        mean, recall, trained = (
            statistics.mean(row[name] for row in result["runs"])
            for name in ("frechet", "recall", "frechet_not_averaged")
        )
        lines.append(
            f"| {part} | {tried} | {result['rate']:.2g} | **{mean:.0f}** | {each} | "
            f"{recall:.3f} | {trained:.0f} |"
        )
    lines.append("")
    for part, result in found.items():
        lines += [f"{part}: {protocol(result)}", ""]
    return "\n".join(lines)


def main() -> None:
    """Measure the parts that were asked for and record them."""
    parts = {name: partial(measure, name) for name in PARTS}
    run_parts(RESULTS, parts, as_tables, __doc__.splitlines()[0])


if __name__ == "__main__":
    main()
