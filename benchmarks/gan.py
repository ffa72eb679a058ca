"""Our GANs beside the usual ones, in one run on one machine.

    python benchmarks/gan.py                      # everything, about 35 minutes on two cores
    python benchmarks/gan.py speed import         # parts of it

The machine must be idle: a run is given a time, and what shares the cores takes from it.

Needs MNIST itself (the 60,000 digits): AIGC_TUTORIAL_DATA, the cache or a download. Each part
replaces its entry in ``benchmarks/results/gan.json``, with the machine, the versions, the command
and the date, and writes all of them again as tables to ``benchmarks/results/gan.md``.
"""

import argparse
import dataclasses
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import reference_gan
import torch
from torch import nn
from torch.utils.data import Dataset

from aigc_tutorial import gan, zoo
from aigc_tutorial.data import MNIST_TRAIN_IMAGES, MNIST_TRAIN_LABELS, fetch, mnist
from aigc_tutorial.evaluation import DigitReport, evaluate_digits
from aigc_tutorial.files import replace_file
from aigc_tutorial.training import tune_cpu

RESULTS = Path(__file__).parent / "results" / "gan.json"
N_SAMPLES = 10_000


def torchvision_mnist(folder: Path) -> Dataset:
    """MNIST as the tutorials load it: torchvision, resized, scaled to [-1, 1] image by image."""
    from torchvision import transforms
    from torchvision.datasets import MNIST

    contents, _ = fetch([MNIST_TRAIN_IMAGES, MNIST_TRAIN_LABELS])
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in zip(("images-idx3", "labels-idx1"), contents, strict=True):
        (raw / f"train-{name}-ubyte").write_bytes(content)
        (raw / f"t10k-{name}-ubyte").write_bytes(content)  # its presence is checked, no more
    steps = [transforms.Resize(28), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
    return MNIST(str(folder), train=True, transform=transforms.Compose(steps))


def speed_of_reference(seed: int) -> float:
    """Images per second of the usual loop."""
    with tempfile.TemporaryDirectory() as folder:
        return reference_gan.train_gan(torchvision_mnist(Path(folder)), 15.0, seed)[1]


def speed_of_ours(seed: int) -> float:
    """Images per second of our loop: same networks, batch, loss and optimizer settings."""
    recipe = gan.recipes.Recipe(
        name="reference networks",
        generator_class=gan.MLPGenerator,
        generator_config=gan.MLPGeneratorConfig(hidden=(128, 256, 512, 1024), batch_norm=True),
        discriminator_class=gan.MLPDiscriminator,
        discriminator_config=gan.MLPDiscriminatorConfig(),
        loss=gan.losses.NON_SATURATING,
        training=gan.GANTrainingConfig(
            batch_size=64,
            learning_rate_generator=2e-4,
            learning_rate_discriminator=2e-4,
            betas=(0.5, 0.999),
            warmup_images=0,
            r1_gamma=0.0,
        ),
    )
    result = recipe.train(mnist("train").images, n_images=60_000, seed=seed, progress_bar=False)
    return result.n_images / result.seconds


def measure_speed(seeds: list[int]) -> dict[str, Any]:
    """Both loops in turns, each time in a process of its own.

    In one process the reference would profit from the settings of memory and denormal numbers that
    our loop makes.
    """
    rounds = []
    for seed in seeds:
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            reference = pool.submit(speed_of_reference, seed).result()
            ours = pool.submit(speed_of_ours, seed).result()
        rounds.append({"reference": reference, "ours": ours, "ratio": ours / reference})
    return {
        "unit": "real images per second",
        "rounds": rounds,
        "median_ratio": statistics.median(r["ratio"] for r in rounds),
    }


def measure_ours(seeds: list[int], seconds: int) -> dict[str, Any]:
    """The default recipe after a given time, on all of MNIST."""
    rows = mnist("train").images
    runs = [train_for(gan.recipes.MNIST_CONV, rows, seconds, seed) for seed in seeds]
    return summary(runs)


def measure_wgan_gp(seeds: list[int], seconds: int = 300) -> dict[str, Any]:
    """The best of the usual implementations on the fully connected networks."""
    tune_cpu()  # the reference profits from it too
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        dataset = torchvision_mnist(Path(folder))
        for seed in seeds:
            generator, rate = reference_gan.train_wgan_gp(dataset, float(seconds), seed)
            runs.append(
                {"seconds": seconds, "images_per_second": rate, **distances(generator, seed)}
            )
    return summary(runs)


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Runs of one kind with the median of their distances."""
    return {
        "unit": f"digit-feature Fréchet distance, {N_SAMPLES:,} samples against the test set",
        "runs": runs,
        "median": statistics.median(run["frechet"] for run in runs),
    }


def train_for(
    recipe: gan.recipes.Recipe, rows: torch.Tensor, seconds: float, seed: int
) -> dict[str, Any]:
    """Train for a given time, which a schedule counted in images has to know beforehand.

    The speed is measured for a few seconds first; 3 % are kept in hand.
    """
    probe = recipe.train(rows, n_images=5_000, seed=seed, progress_bar=False)
    n_images = int(0.97 * seconds * probe.n_images / probe.seconds)
    result = recipe.train(rows, n_images=n_images, seed=seed, progress_bar=False)
    return {
        "n_images": result.n_images,
        "seconds": result.seconds,
        "images_per_second": result.n_images / result.seconds,
        **distances(result.generator, seed),
    }


def distances(generator: nn.Module, seed: int) -> dict[str, Any]:
    """Fréchet distance, KL to uniform and the rarest digit of 10,000 samples."""
    random = torch.Generator().manual_seed(1_000 + seed)
    if isinstance(generator, gan.Generator):
        samples = generator.sample(N_SAMPLES, generator=random)
    else:
        with torch.no_grad():
            samples = generator(torch.randn(N_SAMPLES, reference_gan.LATENT_DIM, generator=random))
    report = report_on(samples)
    return {
        "frechet": report.frechet,
        "kl_to_uniform": report.kl_to_uniform,
        "rarest_share": min(report.class_shares),
    }


def report_on(samples: torch.Tensor) -> DigitReport:
    """All measures of the package, against the real test digits."""
    return evaluate_digits(samples, zoo.load("mnist-classifier"), zoo.digit_reference())


def measure_zoo(seeds: list[int]) -> dict[str, Any]:
    """The zoo's generators, beside real training digits measured in the same way."""
    entries = {}
    for name in ("mnist-conv-gan", "mnist-mlp-gan"):
        generator = zoo.load(name)
        entries[name] = [distances(generator, seed) for seed in seeds]
    real = mnist("train").images
    entries["real training digits"] = []
    for seed in seeds:
        order = torch.randperm(len(real), generator=torch.Generator().manual_seed(seed))
        report = report_on(real[order[:N_SAMPLES]])
        entries["real training digits"].append({"frechet": report.frechet})
    return {"unit": "digit-feature Fréchet distance, 10,000 samples", "entries": entries}


def measure_import(seeds: list[int]) -> dict[str, Any]:
    """Seconds that importing the package adds to importing torch, each in a fresh process."""
    program = (
        "import time, torch; t = time.perf_counter(); import aigc_tutorial; "
        "print(time.perf_counter() - t)"
    )
    added = [
        float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                             check=True).stdout)
        for _ in seeds
    ]  # fmt: skip
    return {"unit": "seconds added to importing torch", "values": added}


def main() -> None:
    """Measure the parts that were asked for and record them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    measure: dict[str, Callable[[list[int]], dict[str, Any]]] = {
        "speed": measure_speed,
        "import": measure_import,
        "zoo": measure_zoo,
        "wgan-gp": measure_wgan_gp,
        "ours-60": lambda seeds: measure_ours(seeds, 60),
        "ours-300": lambda seeds: measure_ours(seeds, 300),
    }
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(measure))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    if unknown := set(options.parts) - set(measure):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(measure)}")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in options.parts or measure:
        print(f"measuring {part}", flush=True)
        started = time.perf_counter()
        words = ["python benchmarks/gan.py", part, "--seeds", *map(str, options.seeds)]
        results[part] = measure[part](options.seeds) | {
            "seeds": options.seeds,
            "command": " ".join(words),
            "machine": dataclasses.asdict(zoo.Machine.here()),
            "date": datetime.date.today().isoformat(),
            "minutes": round((time.perf_counter() - started) / 60, 1),
        }
        with replace_file(RESULTS) as temporary:
            temporary.write_text(json.dumps(results, indent=2) + "\n")
        with replace_file(RESULTS.with_suffix(".md")) as temporary:
            temporary.write_text(as_tables(results))
    print(as_tables(results))


def as_tables(results: dict[str, Any]) -> str:
    """Render the results as Markdown."""
    lines = [
        "# GAN benchmark",
        "",
        "Written by `python benchmarks/gan.py`; not edited by hand.",
        "",
    ]
    if speed := results.get("speed"):
        lines += ["## Speed of the fully connected GAN", ""]
        lines += ["| round | reference, images/s | ours, images/s | ratio |", "|--:|--:|--:|--:|"]
        for i, r in enumerate(speed["rounds"], 1):
            lines.append(f"| {i} | {r['reference']:,.0f} | {r['ours']:,.0f} | {r['ratio']:.2f} |")
        lines += [f"| median | | | **{speed['median_ratio']:.2f}** |", "", protocol(speed), ""]
    timed = {"wgan-gp": "WGAN-GP, 300 s", "ours-60": "ours, 60 s", "ours-300": "ours, 300 s"}
    if found := {part: results[part] for part in timed if part in results}:
        lines += ["## Digit-feature Fréchet distance after a given time", ""]
        lines += ["| run | images/s | Fréchet, each seed | median | rarest digit, lowest |"]
        lines += ["|:--|--:|:--|--:|--:|"]
        for part, result in found.items():
            rate = statistics.median(run["images_per_second"] for run in result["runs"])
            each = ", ".join(f"{run['frechet']:.1f}" for run in result["runs"])
            rarest = min(run["rarest_share"] for run in result["runs"])
            median = f"{result['median']:.1f}"
            lines.append(f"| {timed[part]} | {rate:,.0f} | {each} | {median} | {rarest:.1%} |")
        lines.append("")
        if "wgan-gp" in found:
            best = min(run["frechet"] for run in found["wgan-gp"]["runs"])
            for part in ("ours-60", "ours-300"):
                if part in found:
                    worst = max(run["frechet"] for run in found[part]["runs"])
                    lines += [f"The best WGAN-GP has {best / worst:.1f} times the distance of the "
                              f"worst seed of {timed[part]}.", ""]  # fmt: skip
        for result in found.values():
            lines += [protocol(result), ""]
    if entries := results.get("zoo"):
        lines += ["## The zoo", "", "| what | Fréchet, each seed |", "|:--|:--|"]
        for name, runs in entries["entries"].items():
            lines.append(f"| {name} | {', '.join(format(r['frechet'], '.2f') for r in runs)} |")
        lines += ["", protocol(entries), ""]
    if imports := results.get("import"):
        values = ", ".join(f"{value:.3f}" for value in imports["values"])
        lines += ["## Import", "", f"Seconds added to importing torch: {values}.", ""]
        lines += [protocol(imports), ""]
    return "\n".join(lines)


def protocol(result: dict[str, Any]) -> str:
    """One line on how a part was measured."""
    machine = result["machine"]
    return (
        f"{result['unit']}; seeds {result['seeds']}; `{result['command']}`; "
        f"{machine['processor']}, {machine['n_cores']} cores, torch {machine['torch']}, "
        f"Python {machine['python']}; {result['date']}."
    )


if __name__ == "__main__":
    main()
