"""A GAN and an autoregressive model of eight heaps on a ring, each at the best of its rates.

    python benchmarks/ring.py rates

Written into ``results/ring.json`` and ``ring.md``. The networks and budgets are those of page 3.1
of the book: both see 100,000 points. Every rate runs at the first seed, where the share of samples
in a heap chooses the GAN's and the likelihood of validation points the other's. The best one runs
at all seeds. Runs are compared at equal data, so several may share a machine.
"""

import math
import statistics
from pathlib import Path

import torch
from recording import Results, protocol, run_parts
from torch import Tensor

from aigc_tutorial import ar, data, gan
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.gan import losses

RESULTS = Path(__file__).parent / "results" / "ring.json"
RATES = {
    "GAN": (2e-3, 4e-3, 6e-3, 1.2e-2),
    "autoregressive": (5e-3, 1e-2, 2e-2, 4e-2),
}
N_POINTS = 100_000
BINS = data.PlaneBins(n_bins=64, extent=3.2)
RING = data.ring(std=0.1)


def seeded(seed: int) -> torch.Generator:
    """A source of randomness."""
    return torch.Generator().manual_seed(seed)


def share_in_heaps(points: Tensor) -> float:
    """Share of points within three standard deviations of a heap's centre."""
    return float(RING.is_high_quality(points).double().mean())


def learn_gan(rate: float, seed: int) -> tuple[float, float]:
    """Train with this rate for both networks; what chooses (lower is better), and the result."""
    torch.manual_seed(seed)
    generator = gan.MLPGenerator(
        gan.MLPGeneratorConfig(latent_dim=4, image_shape=(2,), hidden=(64, 64), bounded=False)
    )
    discriminator = gan.MLPDiscriminator(
        gan.MLPDiscriminatorConfig(image_shape=(2,), hidden=(64, 64))
    )
    result = gan.train(
        generator,
        discriminator,
        RING.sample(20_000, rng=seeded(0)),
        loss=losses.NON_SATURATING,
        config=gan.GANTrainingConfig(
            n_images=N_POINTS,
            batch_size=128,
            betas=(0.5, 0.9),
            warmup_images=0,
            learning_rate_generator=rate,
            learning_rate_discriminator=rate,
            r1_gamma=0.1,
            penalty_every=4,
        ),
        seed=seed,
        progress_bar=False,
    )
    chosen_by, reported = (
        share_in_heaps(result.generator.sample(4_000, rng=seeded(s))) for s in (6, 5)
    )
    return -chosen_by, reported


def learn_ar(rate: float, seed: int) -> tuple[float, float]:
    """The same for the autoregressive model and the rate of its matrices; nats a point."""
    torch.manual_seed(seed)
    result = ar.train(
        ar.WindowModel(ar.WindowConfig(BINS.vocab_size, window=2, hidden_dim=128)),
        BINS.to_tokens(RING.sample(20_000, rng=seeded(0))),
        config=ar.ARTrainingConfig(
            n_tokens=2 * N_POINTS, batch_size=128, learning_rate_matrices=rate, warmup_tokens=5_000
        ),
        seed=seed,
        progress_bar=False,
    )
    with torch.no_grad():
        chosen_by, reported = (
            float(result.model.nll(BINS.to_tokens(RING.sample(4_000, rng=seeded(s)))).sum(1).mean())
            + 2 * math.log(BINS.width)
            for s in (3, 1)
        )
    return chosen_by, reported


def measure_rates(seeds: list[int]) -> Results:
    """Both models at each of their rates, then the best at all seeds."""
    rows = []
    for name, train in (("GAN", learn_gan), ("autoregressive", learn_ar)):
        tried = {rate: train(rate, seeds[0]) for rate in RATES[name]}
        best = min(tried, key=lambda rate: tried[rate][0])
        runs = [tried[best], *(train(best, seed) for seed in seeds[1:])]
        rows.append(
            {
                "model": name,
                "measure": "share in a heap" if name == "GAN" else "−log p, nats a point",
                "tried": {str(rate): round(run[1], 4) for rate, run in tried.items()},
                "rate": best,
                "test": [round(run[1], 4) for run in runs],
            }
        )
        print(rows[-1], flush=True)
    return {"unit": f"{N_POINTS:,} points of the ring seen by each", "rows": rows}


def tables(results: Results) -> str:
    """All parts as Markdown."""
    lines = [
        "# Two models of a ring, each at the best of its rates",
        "",
        "Written by `python benchmarks/ring.py`; not edited by hand. 98.9 % of the data lie in a",
        "heap; the entropy of the data is 0.31 nats a point.",
    ]
    for part, result in results.items():
        lines += ["", f"## {part.capitalize()}", "", protocol(result), ""]
        lines += ["| model | measure | each rate, first seed | best rate | each seed | mean |"]
        lines += ["|:--|:--|:--|--:|:--|--:|"]
        for row in result["rows"]:
            tried = ", ".join(f"{rate}: {value:.3f}" for rate, value in row["tried"].items())
            each = ", ".join(f"{value:.3f}" for value in row["test"])
            lines.append(
                f"| {row['model']} | {row['measure']} | {tried} | {row['rate']:g} | {each} "
                f"| {statistics.mean(row['test']):.3f} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    tune_cpu()
    run_parts(RESULTS, {"rates": measure_rates}, tables, __doc__.splitlines()[0])
