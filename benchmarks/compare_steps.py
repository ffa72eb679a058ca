"""Two checkouts side by side: is a step, a token or an image slower in the new one?

python benchmarks/compare_steps.py OLD NEW compares two working trees of this repository. Each runs
in a process of its own, with its own package. They take turns, in changing order, so that whatever
else the machine does falls on both; what counts is the ratio of the two times in one turn. Modules
may have moved between the two: only recipes and what pages call is called.
"""

import argparse
import dataclasses
import datetime
import inspect
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


def random_images(*shape: int) -> torch.Tensor:
    """Noise in [-1, 1]: a step on it takes as long as one on digits."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def random_numbers(n: int, *shape: int) -> torch.Tensor:
    """Tokens or levels 0 … n - 1."""
    return torch.randint(n, shape, generator=torch.Generator().manual_seed(0))


def seeded(function: Callable[..., Any]) -> dict[str, Any]:
    """A generator for ``function``, by the name that its tree gives to that argument."""
    name = "rng" if "rng" in inspect.signature(function).parameters else "generator"
    return {name: torch.Generator().manual_seed(0)}


def gan_steps(name: str, n_steps: int) -> float:
    """Seconds a step of a GAN recipe, both updates."""
    from aigc_tutorial.gan import recipes

    recipe = getattr(recipes, name)
    n_images = n_steps * recipe.training.batch_size
    rows = random_images(512, 1, 28, 28)
    return recipe.train(rows, n_images=n_images, progress_bar=False).seconds / n_steps


def text_steps(n_steps: int) -> float:
    """Seconds a step of the Shakespeare recipe."""
    from aigc_tutorial.ar.recipes import SHAKESPEARE

    training = SHAKESPEARE.training
    n_tokens = n_steps * training.batch_size * SHAKESPEARE.model_config.context
    tokens = random_numbers(65, 20_000)
    return SHAKESPEARE.train(tokens, n_tokens=n_tokens, progress_bar=False).seconds / n_steps


def pixel_steps(n_steps: int) -> float:
    """Seconds a step of the default PixelCNN on black and white images."""
    from aigc_tutorial import ar

    torch.manual_seed(0)
    config = ar.ARTrainingConfig(n_tokens=n_steps * 16 * 28 * 28, batch_size=16)
    levels = random_numbers(2, 64, 28, 28)
    result = ar.train(ar.PixelCNN(), levels, config=config, progress_bar=False)
    return result.seconds / n_steps


def decoding(n_tokens: int) -> float:
    """Seconds a token, one text at a time, of the Shakespeare model with a longer context."""
    from aigc_tutorial import ar
    from aigc_tutorial.ar.recipes import SHAKESPEARE

    config = dataclasses.replace(SHAKESPEARE.model_config, context=n_tokens + 8)
    model = ar.Transformer(config).eval()
    started = time.perf_counter()
    ar.generate(
        model,
        random_numbers(65, 8),
        max_new_tokens=n_tokens,
        **seeded(ar.generate),
    )
    return (time.perf_counter() - started) / n_tokens


def pixel_sampler(n_images: int) -> float:
    """Seconds an image of the default PixelCNN."""
    from aigc_tutorial import ar

    torch.manual_seed(0)
    model = ar.PixelCNN().eval()
    started = time.perf_counter()
    model.sample(n_images, **seeded(model.sample))
    return (time.perf_counter() - started) / n_images


PARTS: dict[str, Callable[[], float]] = {
    "GAN step, convolutional": lambda: gan_steps("MNIST_CONV", 24),
    "GAN step, fully connected": lambda: gan_steps("MNIST_MLP", 64),
    "Transformer step": lambda: text_steps(12),
    "PixelCNN step": lambda: pixel_steps(3),
    "decoding, a token": lambda: decoding(192),
    "PixelCNN sampler, an image": lambda: pixel_sampler(16),
}


def serve() -> None:
    """Measure each part whose name comes in; answer with seconds, a line each."""
    if find_spec("aigc_tutorial.cpu"):  # before there was this module, the engine did it
        import_module("aigc_tutorial.cpu").tune_cpu()
    for line in sys.stdin:
        print(json.dumps(PARTS[line.strip()]()), flush=True)


class Checkout:
    """A process that measures with the package of one working tree."""

    def __init__(self, folder: Path, n_threads: int) -> None:
        if not (folder / "aigc_tutorial").is_dir():
            raise SystemExit(f"{folder} holds no aigc_tutorial; give the root of a working tree")
        self.folder = folder
        paths = {"PYTHONPATH": str(folder.resolve()), "OMP_NUM_THREADS": str(n_threads)}
        self.process: Any = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).resolve()), "--serve"],
            env=os.environ | paths,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self, part: str) -> float:
        """Seconds that one unit of ``part`` takes."""
        self.process.stdin.write(part + "\n")
        self.process.stdin.flush()
        if not (answer := self.process.stdout.readline()):
            raise SystemExit(f"{part!r} failed in {self.folder}; its error stands above")
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def compare(old: Checkout, new: Checkout, part: str, n_rounds: int) -> dict[str, Any]:
    """Measure ``part`` in turns; the first turn warms up and does not count."""
    rounds = []
    for i in range(n_rounds + 1):
        order = (old, new) if i % 2 else (new, old)
        times = {checkout: checkout.measure(part) for checkout in order}
        rounds.append((times[old], times[new]))
    ratios = [ours / theirs for theirs, ours in rounds[1:]]
    return {
        "milliseconds_old": round(1e3 * min(theirs for theirs, _ in rounds[1:]), 3),
        "milliseconds_new": round(1e3 * min(ours for _, ours in rounds[1:]), 3),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in sorted(ratios)],
    }


def as_table(parts: dict[str, Any]) -> str:
    """Markdown: the best time of each, and the median ratio with its quartiles."""
    lines = ["| part | old, ms | new, ms | new / old | quartiles |", "|---|---|---|---|---|"]
    for name, row in parts.items():
        low, _, high = statistics.quantiles(row["ratios"], n=4)
        times = f"{row['milliseconds_old']} | {row['milliseconds_new']}"
        lines.append(f"| {name} | {times} | {row['ratio']:.3f} | {low:.3f} to {high:.3f} |")
    return "\n".join(lines)


def revision(folder: Path) -> str:
    """Commit of a working tree."""
    command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Compare, print the table, and record it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path, help="working tree before the change")
    parser.add_argument("new", type=Path, help="working tree after it")
    parser.add_argument("parts", nargs="*", help=", ".join(map(repr, PARTS)))
    parser.add_argument("--rounds", type=int, default=11, help="turns that count, at least 2")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    old, new = (Checkout(folder, options.threads) for folder in (options.old, options.new))
    parts = {}
    for part in options.parts or PARTS:
        parts[part] = compare(old, new, part, options.rounds)
        print(f"{part}: {parts[part]['ratio']:.3f} of the old time", flush=True)
    old.close()
    new.close()
    record = {
        "old": revision(options.old),
        "new": revision(options.new),
        "threads": options.threads,
        "date": datetime.date.today().isoformat(),
        "parts": parts,
    }
    text = json.dumps(record, indent=2) + "\n"
    (RESULTS / "compare_steps.json").write_text(text, encoding="utf-8")
    print(as_table(parts))


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        main()
