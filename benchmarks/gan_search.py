"""One change to the MNIST recipe at a time, at equal data: what helps and what does not.

    python benchmarks/gan_search.py                                  # the recipe as it is
    python benchmarks/gan_search.py training.batch_size=32 --seeds 0 1
    python benchmarks/gan_search.py generator.channels=96,48 loss=NON_SATURATING
    python benchmarks/gan_search.py --table                          # write the table again

Appends a line for each seed to ``benchmarks/results/gan_search.jsonl`` and writes all of them as a
table to ``gan_search.md``. Runs are compared at equal
data and not at equal time, so several may share a machine; images per second are recorded for
orientation alone. Needs MNIST itself.
"""

import argparse
import ast
import dataclasses
import datetime
import json
import statistics
from pathlib import Path
from typing import Any

import torch

from aigc_tutorial import gan, zoo
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.data import mnist
from aigc_tutorial.evaluation import class_shares as shares_of
from aigc_tutorial.evaluation import feature_statistics, frechet_distance, kl_to_uniform, predict
from aigc_tutorial.files import replace_file
from aigc_tutorial.gan.recipes import MNIST_CONV, Recipe
from aigc_tutorial.training import Engine

RESULTS = Path(__file__).parent / "results" / "gan_search.jsonl"
# Where the search began, in full.
START = dataclasses.replace(
    MNIST_CONV,
    generator_config=gan.ConvGeneratorConfig(latent_dim=64, channels=(64, 32)),
    discriminator_config=gan.ConvDiscriminatorConfig(channels=(32, 64, 128)),
    loss=gan.losses.RELATIVISTIC,
    training=gan.GANTrainingConfig(
        batch_size=32,
        learning_rate_generator=2e-3,
        learning_rate_discriminator=2e-3,
        learning_rate_kernels=0.0,
        betas=(0.5, 0.99),
        warmup_images=1_600,
        flat_until=0.5,
        final_learning_rate=0.02,
        r1_gamma=0.05,
        penalty_every=16,
        ema_half_life_images=11_000,
        ema_ramp_up=0.09,
    ),
)
PARTS = {
    "generator": "generator_config",
    "discriminator": "discriminator_config",
    "training": "training",
}


def changed(recipe: Recipe, changes: dict[str, str]) -> Recipe:
    """Apply changes such as ``{"training.batch_size": "32"}``; an unknown name is an error."""
    for name, text in changes.items():
        if name == "loss":
            recipe = dataclasses.replace(recipe, loss=getattr(gan.losses, text))
            continue
        part, _, field = name.partition(".")
        attribute = PARTS[part]
        config = dataclasses.replace(getattr(recipe, attribute), **{field: ast.literal_eval(text)})
        recipe = dataclasses.replace(recipe, **{attribute: config})
    return recipe


def measure(
    recipe: Recipe, rows: torch.Tensor, n_images: int, seed: int, engine: Engine
) -> dict[str, Any]:
    """Train on ``n_images`` and compare 10,000 samples with the test digits."""
    result = recipe.train(rows, n_images=n_images, seed=seed, engine=engine, progress_bar=False)
    samples = result.generator.sample(10_000, generator=torch.Generator().manual_seed(1_000 + seed))
    prediction = predict(zoo.load("mnist-classifier"), samples)
    shares = shares_of(prediction.labels)
    reference = zoo.digit_reference().statistics
    return {
        "frechet": round(frechet_distance(feature_statistics(prediction.features), reference), 2),
        "kl_to_uniform": round(kl_to_uniform(shares), 4),
        "rarest_share": round(shares.min().item(), 4),
        "images_per_second": round(result.n_images / result.seconds),
    }


def write_table() -> None:
    """Write a row for each recipe that was tried: mean over seeds, then the single values."""
    rows: dict[tuple[str, int], list[float]] = {}
    for line in RESULTS.read_text().splitlines():
        entry = json.loads(line)
        rows.setdefault((entry["recipe"], entry["n_images"]), []).append(entry["frechet"])
    lines = [
        "# Search for the MNIST recipe",
        "",
        "Written by `python benchmarks/gan_search.py`; not edited by hand. Digit-feature Fréchet",
        "distance of 10,000 samples from the test digits. A row names what differs from `START` in",
        "that script.",
        "",
        "| recipe | images | Fréchet, mean | each seed |",
        "|:--|--:|--:|:--|",
    ]
    for (name, n_images), values in sorted(rows.items(), key=lambda i: statistics.mean(i[1])):
        each = ", ".join(f"{value:.1f}" for value in values)
        lines.append(f"| {name} | {n_images:,} | {statistics.mean(values):.1f} | {each} |")
    with replace_file(RESULTS.with_suffix(".md")) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("changes", nargs="*", metavar="part.setting=value")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--images", type=int, default=40_000)
    parser.add_argument("--mixed-precision", choices=["no", "bf16"], default="no")
    parser.add_argument("--table", action="store_true", help="only write the table again")
    options = parser.parse_args()
    if options.table:
        write_table()
        return
    changes = dict(change.split("=", 1) for change in options.changes)
    recipe = changed(MNIST_CONV, changes)
    tune_cpu()
    engine = Engine(mixed_precision=options.mixed_precision)
    words = describe(recipe) + (" in bf16" if options.mixed_precision == "bf16" else "")
    rows = mnist("train").images
    for seed in options.seeds:
        entry = {
            "changes": " ".join(options.changes),
            "recipe": words,
            "n_images": options.images,
            "seed": seed,
            **measure(recipe, rows, options.images, seed, engine),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "date": datetime.date.today().isoformat(),
        }
        with RESULTS.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        print(json.dumps(entry), flush=True)
    write_table()


def describe(recipe: Recipe) -> str:
    """What differs from :data:`START`, in words that stay true when the defaults change."""
    words = [] if recipe.loss is START.loss else [f"loss={recipe.loss.name}"]
    for part, attribute in PARTS.items():
        config, start = getattr(recipe, attribute), getattr(START, attribute)
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if value != getattr(start, field.name) and field.name != "n_images":
                words.append(f"{part}.{field.name}={value}")
    return " ".join(words) or "the starting point"


if __name__ == "__main__":
    main()
