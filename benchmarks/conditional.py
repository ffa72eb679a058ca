"""The conditional GAN beside the conditional PixelCNN, and the best factor of its class vector.

    python benchmarks/conditional.py rates           # first, and again on another machine
    python benchmarks/conditional.py gan pixelcnn real pixels gaussian
    python benchmarks/conditional.py class-scale

Each is trained by the recipe that its own search found, on all of MNIST with its labels: recipes
are compared, and not families. Time is that of the processor on one thread, so that others may
share the machine: ``rates`` measures how many images a minute of it buys on either side, and both
train on as many as four minutes buy. A training that was interrupted goes on when the command is
given again.

``real``, ``pixels`` and ``gaussian`` are the simplest answers to "draw a 3": take one of the
training digits, which is a copy; the mean image of the class with noise, each pixel for itself; and
a Gaussian with the mean and the covariance of the class.

``class-scale`` trains the GAN with each factor of the class vector, all else as in the recipe.

Results: ``benchmarks/results/conditional.json``, and as a table ``conditional.md``.
"""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import torch
from recording import Results, protocol, recorded, run_parts
from torch import Tensor

from aigc_tutorial import zoo
from aigc_tutorial.ar.models.pixelcnn import PixelCNN
from aigc_tutorial.cpu import fast_precision, tune_cpu
from aigc_tutorial.data import mnist
from aigc_tutorial.data.batches.levels import dequantise
from aigc_tutorial.evaluation import class_report, evaluate_digits, sequence_likelihood
from aigc_tutorial.gan import Generator
from aigc_tutorial.gan.recipes import MNIST_CONDITIONAL
from aigc_tutorial.training import Engine
from aigc_tutorial.zoo.training.making import RUNS
from aigc_tutorial.zoo.training.pixelcnn import MODEL, N_PIXELS, TRAINING, fit, levels_of

RESULTS = Path(__file__).parent / "results" / "conditional.json"
MINUTES = 4
N_SAMPLES = 3_000
N_HELD_OUT = 1_000
CLASS_SCALES = (1.0, 0.3, 0.05, 0.025, 0.01)
N_IMAGES_SCALES = 12_000
UNIT = (
    f"digit-feature Fréchet distance of {N_SAMPLES:,} samples, the classes in turn, from the test "
    "digits"
)
SIDES = {
    "gan": "conditional GAN",
    "pixelcnn": "conditional PixelCNN",
    "pixels": "mean of the class, noise of each pixel",
    "gaussian": "Gaussian of the class",
    "real": "training digits",
}


def train_gan(
    n_images: int, seed: int, name: str, class_scale: float = 0.05
) -> tuple[Generator, float]:
    """The GAN, and the seconds of the processor that its training took."""
    torch.set_num_threads(1)
    digits = mnist("train")
    started = time.process_time()
    config = dataclasses.replace(MNIST_CONDITIONAL.generator_config, class_scale=class_scale)
    result = dataclasses.replace(MNIST_CONDITIONAL, generator_config=config).train(
        digits.images,
        labels=digits.labels,
        n_images=n_images,
        seed=seed,
        engine=Engine(device="cpu", mixed_precision=fast_precision()),
        checkpoint_folder=RUNS / f"{name}-{n_images}-{seed}",
        checkpoint_every=5_000,
    )
    return result.generator, time.process_time() - started


def train_pixelcnn(n_images: int, seed: int, name: str) -> tuple[PixelCNN, float]:
    """The PixelCNN, and the seconds of the processor that its training took."""
    torch.set_num_threads(1)
    digits = mnist("train")
    data = levels_of(digits), digits.labels
    started = time.process_time()
    result = fit(
        f"{name}-{n_images}",
        MODEL,
        dataclasses.replace(TRAINING, n_tokens=n_images * N_PIXELS),
        data,
        seed,
        engine=Engine(device="cpu", mixed_precision=fast_precision()),
    )
    return result.model, time.process_time() - started


def measure_rates(seeds: list[int]) -> Results:
    """Images that a second of the processor buys on each side, in turns."""
    tune_cpu()
    rounds = []
    for seed in seeds:
        now = time.time_ns()  # a folder of its own: nothing is resumed
        _, of_gan = train_gan(3_200, seed, f"conditional-rate-gan-{now}")
        _, of_pixelcnn = train_pixelcnn(320, seed, f"conditional-rate-pixelcnn-{now}")
        rounds.append({"gan": 3_200 / of_gan, "pixelcnn": 320 / of_pixelcnn})
    return {
        "unit": "images per second of the processor, one thread",
        "precision": fast_precision(),
        "rounds": rounds,
        "best": {side: max(r[side] for r in rounds) for side in rounds[0]},
    }


def images_in(minutes: float, side: str) -> int:
    """Images that a time of the processor buys on the machine whose rates were measured."""
    rates = recorded(RESULTS).get("rates")
    if rates is None:
        raise SystemExit("measure the rates first: python benchmarks/conditional.py rates")
    return round(60 * minutes * rates["best"][side])


def measure_gan(seeds: list[int]) -> Results:
    """Train the GAN for the time that both have, and measure what it draws."""
    tune_cpu()
    n_images, runs = images_in(MINUTES, "gan"), []
    for seed in seeds:
        generator, _ = train_gan(n_images, seed, "conditional-gan")
        runs.append(measured(drawn_by(generator), seed))
    return {"unit": UNIT, "n_images": n_images, "runs": runs}


def measure_class_scale(seeds: list[int]) -> Results:
    """The same with each factor of the class vector, after a short training."""
    tune_cpu()
    runs = {}
    for scale in CLASS_SCALES:
        runs[str(scale)] = [
            measured(
                drawn_by(train_gan(N_IMAGES_SCALES, seed, f"class-scale-{scale}", scale)[0]), seed
            )
            for seed in seeds
        ]
    return {"unit": UNIT, "n_images": N_IMAGES_SCALES, "runs": runs}


def drawn_by(generator: Generator) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Draws the digits that are asked for."""

    def draw(labels: Tensor, rng: torch.Generator) -> Tensor:
        return generator.sample(len(labels), labels, rng=rng)

    return draw


def measure_pixelcnn(seeds: list[int]) -> Results:
    """The same of the PixelCNN, and the bits that it takes for held-out digits in its levels."""
    tune_cpu()
    n_images, held_out, runs = images_in(MINUTES, "pixelcnn"), mnist("test"), []
    rows = levels_of(held_out)[:N_HELD_OUT], held_out.labels[:N_HELD_OUT]
    for seed in seeds:
        model, _ = train_pixelcnn(n_images, seed, "conditional-pixelcnn")

        def draw(labels: Tensor, rng: torch.Generator, model: PixelCNN = model) -> Tensor:
            levels = model.sample(len(labels), labels, rng=rng)
            return dequantise(levels, MODEL.n_levels).unsqueeze(1)

        bits = sequence_likelihood(model, rows, batch_size=100).bits_per_token
        runs.append(measured(draw, seed) | {"bits_per_pixel": round(bits, 4)})
    return {"unit": UNIT, "n_images": n_images, "runs": runs}


def measure_real(seeds: list[int]) -> Results:
    """Training digits in place of samples, as many of each class: what a perfect model reaches."""
    digits, runs = mnist("train"), []
    for seed in seeds:
        order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(seed))
        n = N_SAMPLES // 10
        chosen = torch.cat([order[digits.labels[order] == c][:n] for c in range(10)])
        runs.append(quality(digits.images[chosen], digits.labels[chosen]))
    return {"unit": UNIT, "runs": runs}


def measure_pixels(seeds: list[int]) -> Results:
    """The mean image of the class, with noise as large as each pixel varies within the class."""
    digits = mnist("train")
    of_class = [digits.images[digits.labels == c] for c in range(10)]
    mean = torch.stack([images.mean(dim=0) for images in of_class])
    deviation = torch.stack([images.std(dim=0) for images in of_class])

    def draw(labels: Tensor, rng: torch.Generator) -> Tensor:
        noise = torch.randn(len(labels), *digits.image_shape, generator=rng)
        return (mean[labels] + deviation[labels] * noise).clamp(-1, 1)

    return {"unit": UNIT, "runs": [measured(draw, seed) for seed in seeds]}


def measure_gaussian(seeds: list[int]) -> Results:
    """A Gaussian with the mean and the covariance of the class."""
    digits = mnist("train")
    of_class = [digits.images[digits.labels == c] for c in range(10)]

    def draw(labels: Tensor, rng: torch.Generator) -> Tensor:
        drawn = torch.empty(len(labels), *digits.image_shape)
        for c, images in enumerate(of_class):
            mean, n = images.mean(dim=0), len(images)
            # A weighted sum of deviations has their covariance, and none has to be taken apart.
            weights = torch.randn(int((labels == c).sum()), n, generator=rng) / (n - 1) ** 0.5
            drawn[labels == c] = mean + torch.tensordot(weights, images - mean, dims=1)
        return drawn.clamp(-1, 1)

    return {"unit": UNIT, "runs": [measured(draw, seed) for seed in seeds]}


def measured(draw: Callable[[Tensor, torch.Generator], Tensor], seed: int) -> Results:
    """Draw digits of all classes in turn; their quality, and the processor's time for them."""
    labels = torch.arange(N_SAMPLES) % 10
    started = time.process_time()
    samples = draw(labels, torch.Generator().manual_seed(1_000 + seed))
    seconds = (time.process_time() - started) * 1_000 / N_SAMPLES
    return quality(samples, labels) | {"seconds_per_1000_samples": round(seconds, 2)}


def quality(images: Tensor, labels: Tensor) -> Results:
    """Distance over all and within classes, and whether digits are what was asked for."""
    classifier, reference = zoo.load("mnist-classifier"), zoo.digit_reference()
    held_out = mnist("test")
    by_class = class_report(images, labels, classifier, reference)
    return {
        "class_agreement": round(by_class.agreement, 4),
        "frechet": round(evaluate_digits(images, classifier, reference).frechet, 2),
        "frechet_within_classes": round(by_class.frechet, 2),
        "spread": round(spread(images, labels) / spread(held_out.images, held_out.labels), 3),
    }


def spread(images: Tensor, labels: Tensor) -> float:
    """Variance of the pixels within a class, summed over the image, mean over the classes."""
    return sum(float(images[labels == c].var(dim=0).sum()) for c in range(10)) / 10


def as_tables(results: Results) -> str:
    """Render the results as Markdown."""
    lines = [
        "# The conditional GAN beside the conditional PixelCNN",
        "",
        f"Written by `python benchmarks/conditional.py`. Each network had {MINUTES} minutes of",
        "one core; recipes are compared, each as its search found it. The other rows are rules:",
        "means and deviations, means and covariances, copies. Every seed is shown.",
        "",
        "| model | images | class agreement | Fréchet | within classes | spread, of real "
        "| s per 1,000 samples | held-out bits a pixel |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|",
    ]
    found = {side: results[side] for side in SIDES if side in results}
    for side, result in found.items():
        n_images = f"{result['n_images']:,}" if "n_images" in result else "–"
        lines.append(row(f"{SIDES[side]} | {n_images}", result["runs"]))
    if scales := results.get("class-scale"):
        lines += ["", f"The GAN after {scales['n_images']:,} images:", ""]
        lines += ["| factor of the class vector | class agreement | Fréchet | within classes "]
        lines[-1] += "| spread, of real | s per 1,000 samples | held-out bits a pixel |"
        lines.append("|--:|--:|--:|--:|--:|--:|--:|")
        lines += [row(scale, runs) for scale, runs in scales["runs"].items()]
        found["class-scale"] = scales
    lines.append("")
    for result in found.values():
        lines += [protocol(result), ""]
    if rates := results.get("rates"):
        best = ", ".join(f"{SIDES[side]} {rate:.1f}" for side, rate in rates["best"].items())
        lines += [f"Rates, {rates['unit']}, the best of the rounds: {best}.", "", protocol(rates)]
        lines.append("")
    return "\n".join(lines)


def row(first: str, runs: list[Results]) -> str:
    """One line of a table: every seed's figures."""
    forms = {
        "class_agreement": ".1%",
        "frechet": ".1f",
        "frechet_within_classes": ".1f",
        "spread": ".0%",
        "seconds_per_1000_samples": ".1f",
        "bits_per_pixel": ".3f",
    }
    cells = [
        ", ".join(format(run[name], form) for run in runs) if name in runs[0] else "–"
        for name, form in forms.items()
    ]
    return f"| {first} | {' | '.join(cells)} |"


def main() -> None:
    """Measure the parts that were asked for and record them."""
    measure: dict[str, Callable[[list[int]], Results]] = {
        "rates": measure_rates,
        "gan": measure_gan,
        "pixelcnn": measure_pixelcnn,
        "pixels": measure_pixels,
        "gaussian": measure_gaussian,
        "real": measure_real,
        "class-scale": measure_class_scale,
    }
    run_parts(RESULTS, measure, as_tables, __doc__.splitlines()[0])


if __name__ == "__main__":
    main()
