"""Does a GAN without labels draw better when classes are found in its data first?

    python benchmarks/grouping.py

The same networks, loss and number of images, on MNIST: without classes; with the groups that
k-means finds in the pixels, in those of straightened digits, or after these have moved four times
to the mean of their neighbours; as the control, with groups of the sizes of the last into which
digits were dealt at random, which gives the networks as many weights and nothing to know; and with
the labels, which none of the others may see. Each way has either weight of R2 with the first seed,
and goes on with the better one by 10,000 held-out training digits; the others train on the first
50,000. Distances are then taken from the test digits, which chose nothing. How pure the groups are
is told by the labels, after training: the share of digits whose group has most of their kind.

Results: ``benchmarks/results/grouping.json``, and as a table ``grouping.md``.
"""

import dataclasses
import functools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from recording import Results, protocol, run_parts
from torch import Tensor

from aigc_tutorial import zoo
from aigc_tutorial.cpu import fast_precision, tune_cpu
from aigc_tutorial.data import mnist
from aigc_tutorial.evaluation import DigitReference, evaluate_digits
from aigc_tutorial.gan import ConvGenerator, mixture, pixel_groups
from aigc_tutorial.gan.recipes import MNIST_CONV, MNIST_GROUPED
from aigc_tutorial.training import Engine
from aigc_tutorial.zoo.training.mixture import N_ROUNDS

RESULTS = Path(__file__).parent / "results" / "grouping.json"
N_IMAGES, N_SAMPLES = 60_000, 5_000
N_TRAIN, N_GROUPS = 50_000, 100
R2_GAMMAS = (0.0, 0.3)
FINDING: dict[str, dict[str, Any]] = {
    "found": {},
    "upright": {"straighten": True},
    "gathered": {"straighten": True, "n_rounds": N_ROUNDS},
}
NAMES = {
    "none": "no classes",
    "found": "100 groups found in the pixels",
    "upright": "found in straightened digits",
    "gathered": "found in straightened digits, drawn together",
    "dealt": "as many digits in each, dealt at random",
    "labels": "the ten labels, for comparison",
}


@functools.cache
def classes(way: str, seed: int) -> Tensor | None:
    """The class that each training digit is said to have."""
    digits = mnist("train")
    if way == "none":
        return None
    if way == "labels":
        return digits.labels[:N_TRAIN]
    if way == "dealt":
        dealt = classes("gathered", seed)
        assert dealt is not None
        return dealt[torch.randperm(N_TRAIN, generator=torch.Generator().manual_seed(seed))]
    return pixel_groups(digits.images[:N_TRAIN], N_GROUPS, seed=seed, **FINDING[way])


def purity(groups: Tensor) -> float:
    """Share of digits whose group has most of their kind."""
    pairs = 10 * groups + mnist("train").labels[:N_TRAIN]
    counts = torch.bincount(pairs, minlength=10 * (int(groups.max()) + 1)).view(-1, 10)
    return round(float(counts.amax(1).sum()) / N_TRAIN, 3)


def trained(way: str, r2_gamma: float, seed: int) -> Tensor:
    """Samples of a generator that was trained in one of the ways."""
    groups = classes(way, seed)
    recipe = MNIST_CONV if groups is None else MNIST_GROUPED
    recipe = dataclasses.replace(
        recipe, training=dataclasses.replace(recipe.training, r2_gamma=r2_gamma)
    )
    if groups is not None:
        n_classes = int(groups.max()) + 1
        recipe = dataclasses.replace(
            recipe,
            generator_config=dataclasses.replace(recipe.generator_config, n_classes=n_classes),
            discriminator_config=dataclasses.replace(
                recipe.discriminator_config, n_classes=n_classes
            ),
        )
    result = recipe.train(
        mnist("train").images[:N_TRAIN],
        labels=groups,
        n_images=N_IMAGES,
        seed=seed,
        engine=Engine(device="cpu", mixed_precision=fast_precision()),
    )
    generator = result.generator
    if groups is not None:
        assert isinstance(generator, ConvGenerator)
        generator = mixture(generator, groups)
    return generator.sample(N_SAMPLES, rng=torch.Generator().manual_seed(1_000 + seed))


def measure(way: str) -> Callable[[list[int]], Results]:
    """Choose the weight of R2 with the first seed, then measure with every seed."""

    def measured(seeds: list[int]) -> Results:
        tune_cpu()
        torch.set_num_threads(1)
        classifier, held_out = zoo.load("mnist-classifier"), mnist("train")
        chooser = DigitReference.from_images(
            classifier, held_out.images[N_TRAIN:], held_out.labels[N_TRAIN:]
        )

        def distance(samples: Tensor, reference: DigitReference) -> float:
            return round(evaluate_digits(samples, classifier, reference).frechet, 3)

        tried = {gamma: trained(way, gamma, seeds[0]) for gamma in R2_GAMMAS}
        chosen_by = {gamma: distance(samples, chooser) for gamma, samples in tried.items()}
        best = min(chosen_by, key=lambda gamma: chosen_by[gamma])
        drawn = [tried[best], *(trained(way, best, seed) for seed in seeds[1:])]
        found = [groups for seed in seeds if (groups := classes(way, seed)) is not None]
        return {
            "unit": (
                f"digit-feature Fréchet distance of {N_SAMPLES:,} samples from the test digits, "
                f"after {N_IMAGES:,} images of the first {N_TRAIN:,} training digits"
            ),
            "precision": fast_precision(),
            "tried": {str(gamma): value for gamma, value in chosen_by.items()},
            "r2_gamma": best,
            "purity": [purity(groups) for groups in found],
            "frechet": [distance(samples, zoo.digit_reference()) for samples in drawn],
        }

    return measured


def as_tables(results: Results) -> str:
    """Render the results as Markdown."""
    lines = [
        "# Classes that are found, for a GAN without labels",
        "",
        "Written by `python benchmarks/grouping.py`. The weight of R2 was chosen by held-out",
        "training digits, of two; every seed is shown.",
        "",
        "<!-- grouping -->",
        "",
        "| classes | of one digit | R2 | Fréchet, by seed | mean |",
        "|:--|--:|--:|--:|--:|",
    ]
    found = {way: results[way] for way in NAMES if way in results}
    for way, result in found.items():
        each = ", ".join(f"{value:.2f}" for value in result["frechet"])
        mean = statistics.mean(result["frechet"])
        pure = f"{statistics.mean(result['purity']):.1%}" if result["purity"] else "–"
        lines.append(f"| {NAMES[way]} | {pure} | {result['r2_gamma']:g} | {each} | {mean:.2f} |")
    lines += ["", "<!-- end of grouping -->", ""]
    for result in found.values():
        lines += [protocol(result), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    run_parts(RESULTS, {way: measure(way) for way in NAMES}, as_tables, __doc__.splitlines()[0])
