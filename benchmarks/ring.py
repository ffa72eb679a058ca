"""A GAN and an autoregressive model of eight heaps on a ring, each at the best of its rates.

    python benchmarks/ring.py rates
    python benchmarks/ring.py widths

Written into ``results/ring.json`` and ``ring.md``. In the first part the networks and budgets are
those of page 3.1 of the book: both models see 100,000 points. Every rate runs at the first seed,
where the share of samples in a heap chooses the GAN's and the likelihood of validation points the
other's. The best one runs at all seeds. The second part is the GAN of page 3.2.1, 800 steps, with
its companions and without, on heaps of other widths. Runs are compared at equal data, so several
may share a machine.
"""

import dataclasses
import math
import statistics
from pathlib import Path

import torch
from recording import Results, protocol, run_parts
from torch import Tensor

from aigc_tutorial import ar, data, evaluation, gan
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.gan import losses

RESULTS = Path(__file__).parent / "results" / "ring.json"
RATES = {
    "GAN": (2e-3, 4e-3, 6e-3, 1.2e-2),
    "autoregressive": (5e-3, 1e-2, 2e-2, 4e-2),
}
N_POINTS = 100_000
N_STEPS = 800
WIDTHS = (0.05, 0.1, 0.2)  # the centres of neighbouring heaps are 1.53 apart
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


RECIPE = gan.GANTrainingConfig(
    batch_size=128,
    learning_rate_generator=2e-3,
    learning_rate_discriminator=2e-3,
    betas=(0.5, 0.9),
    warmup_images=0,
    r1_gamma=0.1,
    penalty_every=4,
)


def heaps_found(std: float, seeds: list[int], companions: bool) -> dict[str, list[float]]:
    """Page 3.2.1's GANs on heaps of this width, one a seed side by side.

    Without their companions, which are the penalty, rates that fall, and the average.
    """
    ring, n_copies = data.ring(std=std), len(seeds)
    plain = dataclasses.replace(RECIPE, r1_gamma=0.0, flat_until=1.0)
    trainer = gan.copies_trainer(
        gan.MLPGeneratorCopiesConfig(
            latent_dim=4, image_shape=(2,), hidden=(64, 64), bounded=False, n_copies=n_copies
        ),
        gan.MLPDiscriminatorCopiesConfig(image_shape=(2,), hidden=(64, 64), n_copies=n_copies),
        loss=losses.NON_SATURATING,
        config=RECIPE if companions else plain,
        seed=seeds[0],
        rng=seeded(seeds[0]),
    )
    real = ring.sample(20_000, rng=seeded(0))
    batches = data.ShuffledBatches(real, 128 * n_copies, rng=seeded(0))
    for step in range(N_STEPS):
        trainer.step(next(batches), progress=step / N_STEPS)
    generator = trainer.averaged_generator() if companions else trainer.generator
    points = generator.sample(4_000 * n_copies, rng=seeded(6), batch_size=1_000 * n_copies)
    reports = [evaluation.mode_coverage(own, ring) for own in gan.split_copies(points, n_copies)]
    return {
        "found": [report.n_found for report in reports],
        "good": [round(report.share_high_quality, 3) for report in reports],
        "unevenness": [round(report.kl_to_uniform, 4) for report in reports],
    }


def measure_widths(seeds: list[int]) -> Results:
    """The whole recipe and the plain loop, on heaps of each width."""
    rows = []
    for std in WIDTHS:
        whole = heaps_found(std, seeds, companions=True)
        plain = heaps_found(std, seeds, companions=False)
        rows.append({"std": std, "recipe": whole, "plain": plain})
        print(rows[-1], flush=True)
    return {"unit": f"{N_STEPS} steps of 128 points each", "rows": rows}


def table_of_widths(result: Results) -> list[str]:
    """The second part as a table."""
    lines = [
        "| width of a heap | training | heaps found, of 8 | good samples | unevenness, nats |",
        "|--:|:--|:--|:--|:--|",
    ]
    for row in result["rows"]:
        for name in ("recipe", "plain"):
            found = ", ".join(map(str, row[name]["found"]))
            good = ", ".join(f"{share:.0%}" for share in row[name]["good"])
            uneven = ", ".join(f"{nats:.3f}" for nats in row[name]["unevenness"])
            lines.append(f"| {row['std']:g} | {name} | {found} | {good} | {uneven} |")
    return lines


def table_of_rates(result: Results) -> list[str]:
    """The first part as a table."""
    lines = [
        "| model | measure | each rate, first seed | best rate | each seed | mean |",
        "|:--|:--|:--|--:|:--|--:|",
    ]
    for row in result["rows"]:
        tried = ", ".join(f"{rate}: {value:.3f}" for rate, value in row["tried"].items())
        each = ", ".join(f"{value:.3f}" for value in row["test"])
        lines.append(
            f"| {row['model']} | {row['measure']} | {tried} | {row['rate']:g} | {each} "
            f"| {statistics.mean(row['test']):.3f} |"
        )
    return lines


def tables(results: Results) -> str:
    """All parts as Markdown."""
    lines = [
        "# Two models of a ring, each at the best of its rates",
        "",
        "Written by `python benchmarks/ring.py`; not edited by hand. 98.9 % of the data lie in a",
        "heap; with a width of 0.1 their entropy is 0.31 nats a point.",
    ]
    for part, result in results.items():
        lines += ["", f"## {part.capitalize()}", "", protocol(result), ""]
        lines += table_of_widths(result) if part == "widths" else table_of_rates(result)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    tune_cpu()
    run_parts(
        RESULTS,
        {"rates": measure_rates, "widths": measure_widths},
        tables,
        __doc__.splitlines()[0],
    )
