"""Our GANs beside the usual ones, in one run on one machine.

    python benchmarks/gan.py                      # everything, about 45 minutes on two cores
    python benchmarks/gan.py speed import         # parts of it

For ``speed``, ``rates`` and ``import`` the machine must be idle. The long trainings need no idle
machine: ``rates`` has measured how many images a time buys on all cores, they train on so many, and
the result depends on that number and the seed and not on who shares the machine.

Needs MNIST itself (the 60,000 digits): AIGC_TUTORIAL_DATA, the cache or a download. Each part
replaces its entry in ``benchmarks/results/gan.json``, with the machine, the versions, the command
and the date, and writes all of them again as tables to ``benchmarks/results/gan.md``.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import reference_gan
import torch
from recording import Results, in_own_process, protocol, recorded, run_parts
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from aigc_tutorial import gan, zoo
from aigc_tutorial.cpu import fast_precision, tune_cpu
from aigc_tutorial.data import MNIST_TRAIN_IMAGES, MNIST_TRAIN_LABELS, fetch, mnist
from aigc_tutorial.evaluation import DigitReport, evaluate_digits
from aigc_tutorial.training import Engine

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


def speed_of_ours(seed: int, mixed_precision: str) -> float:
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
            ema_every=8,
        ),
    )
    tune_cpu()
    engine = Engine(mixed_precision=mixed_precision)
    result = recipe.train(
        mnist("train").images, n_images=60_000, seed=seed, engine=engine, progress_bar=False
    )
    return result.n_images / result.seconds


def measure_speed(seeds: list[int]) -> Results:
    """Both loops in turns, ours in two precisions, each time in a process of its own.

    In one process the reference would profit from the settings of memory and denormal numbers that
    are made for our loop.
    """
    rounds = []
    for seed in seeds:
        reference = in_own_process(speed_of_reference, seed)
        single = in_own_process(speed_of_ours, seed, "no")
        ours = in_own_process(speed_of_ours, seed, fast_precision())
        rounds.append(
            {"reference": reference, "single": single, "ours": ours, "ratio": ours / reference}
        )
    return {
        "unit": "real images per second",
        "precision": fast_precision(),
        "rounds": rounds,
        "median_ratio": statistics.median(r["ratio"] for r in rounds),
    }


def rate_of_ours(seed: int) -> float:
    """Images per second of the default recipe."""
    tune_cpu()
    rows = mnist("train").images
    result = gan.recipes.MNIST_CONV.train(rows, n_images=8_000, seed=seed, progress_bar=False)
    return result.n_images / result.seconds


def rate_of_wgan_gp(seed: int) -> float:
    """Images per second of WGAN-GP on the usual networks."""
    tune_cpu()  # the reference profits from it too
    with tempfile.TemporaryDirectory() as folder:
        return reference_gan.train_wgan_gp(torchvision_mnist(Path(folder)), 20_000, seed)[1]


def measure_rates(seeds: list[int]) -> Results:
    """How fast both train on all cores of an idle machine: in turns, each in its own process."""
    rounds = []
    for seed in seeds:
        wgan_gp = in_own_process(rate_of_wgan_gp, seed)
        rounds.append({"wgan-gp": wgan_gp, "ours": in_own_process(rate_of_ours, seed)})
    return {
        "unit": "real images per second",
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "median": {side: statistics.median(r[side] for r in rounds) for side in rounds[0]},
    }


def images_in(seconds: int, side: str) -> int:
    """Real images that a time buys on the machine whose rates were measured."""
    rates = recorded(RESULTS).get("rates")
    if rates is None:
        raise SystemExit("measure the rates first: python benchmarks/gan.py rates")
    return round(seconds * rates["median"][side])


def measure_ours(seeds: list[int], seconds: int) -> Results:
    """The default recipe on the images that a time buys, on all of MNIST."""
    tune_cpu()
    rows, n_images = mnist("train").images, images_in(seconds, "ours")

    def train(seed: int) -> nn.Module:
        options = {"n_images": n_images, "seed": seed, "progress_bar": False}
        return gan.recipes.MNIST_CONV.train(rows, **options).generator

    return over_seeds(f"ours-{seconds}", seeds, n_images, train)


def measure_wgan_gp(seeds: list[int], seconds: int = 300) -> Results:
    """The best of the usual implementations on the fully connected networks.

    Its data loader works on tensors here and not on files: the batches are the same, and the time
    that a loader takes is in the rate.
    """
    digits, n_images = mnist("train"), images_in(seconds, "wgan-gp")
    dataset = TensorDataset(digits.images, digits.labels)
    return over_seeds(
        "wgan-gp",
        seeds,
        n_images,
        lambda seed: reference_gan.train_wgan_gp(dataset, n_images, seed)[0],
    )


def over_seeds(
    part: str, seeds: list[int], n_images: int, train: Callable[[int], nn.Module]
) -> Results:
    """Measure the generator of each seed; keep what is on record of others with the same budget."""
    runs = {seed: {"n_images": n_images, **distances(train(seed), seed)} for seed in seeds}
    if (earlier := recorded(RESULTS).get(part)) and earlier["runs"][0]["n_images"] == n_images:
        runs = dict(zip(earlier["seeds"], earlier["runs"], strict=True)) | runs
        remark = {"remark": earlier["remark"]} if "remark" in earlier else {}
    else:
        remark = {}
    return {
        **remark,
        "unit": f"digit-feature Fréchet distance, {N_SAMPLES:,} samples against the test set",
        "seeds": sorted(runs),
        "runs": [runs[seed] for seed in sorted(runs)],
        "median": statistics.median(run["frechet"] for run in runs.values()),
    }


def distances(generator: nn.Module, seed: int) -> Results:
    """Fréchet distance, KL to uniform and the rarest digit of 10,000 samples."""
    random = torch.Generator().manual_seed(1_000 + seed)
    if isinstance(generator, gan.Generator):
        samples = generator.sample(N_SAMPLES, rng=random)
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


def measure_zoo(seeds: list[int]) -> Results:
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


def measure_import(seeds: list[int]) -> Results:
    """Seconds of `import torch` and of the package with it, in turns, each in a fresh process."""
    program = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    rounds = []
    for _ in seeds:
        seconds = {
            name: float(
                subprocess.run(
                    [sys.executable, "-c", program.format(name)],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            for name in ("torch", "aigc_tutorial")
        }
        rounds.append(seconds | {"ratio": seconds["aigc_tutorial"] / seconds["torch"]})
    return {
        "unit": "seconds of an import in a fresh process; the package imports torch",
        "rounds": rounds,
        "median_ratio": statistics.median(r["ratio"] for r in rounds),
    }


def main() -> None:
    """Measure the parts that were asked for and record them."""
    measure: dict[str, Callable[[list[int]], Results]] = {
        "speed": measure_speed,
        "import": measure_import,
        "zoo": measure_zoo,
        "rates": measure_rates,
        "wgan-gp": measure_wgan_gp,
        "ours-60": lambda seeds: measure_ours(seeds, 60),
        "ours-300": lambda seeds: measure_ours(seeds, 300),
    }
    run_parts(RESULTS, measure, as_tables, __doc__.splitlines()[0])


def as_tables(results: Results) -> str:
    """Render the results as Markdown."""
    lines = [
        "# GAN benchmark",
        "",
        "Written by `python benchmarks/gan.py`; what was entered in another way is marked.",
        "",
    ]
    if speed := results.get("speed"):
        lines += ["## Speed of the fully connected GAN", ""]
        lines += ["Images a second; the ratio is that of the last loop to the reference.", ""]
        fast = {"bf16": "bfloat16", "no": "single precision"}[speed["precision"]]
        lines += [f"| round | reference | ours, single precision | ours, {fast} | ratio |"]
        lines += ["|--:|--:|--:|--:|--:|"]
        for i, r in enumerate(speed["rounds"], 1):
            cells = " | ".join(f"{r[side]:,.0f}" for side in ("reference", "single", "ours"))
            lines.append(f"| {i} | {cells} | {r['ratio']:.2f} |")
        lines += [f"| median | | | | **{speed['median_ratio']:.2f}** |", "", protocol(speed), ""]
    if rates := results.get("rates"):
        lines += [
            "## Images that a time buys",
            "",
            "| round | WGAN-GP, images/s | ours, images/s |",
        ]
        lines += ["|--:|--:|--:|"]
        for i, r in enumerate(rates["rounds"], 1):
            lines.append(f"| {i} | {r['wgan-gp']:,.0f} | {r['ours']:,.0f} |")
        median = rates["median"]
        lines += [f"| median | **{median['wgan-gp']:,.0f}** | **{median['ours']:,.0f}** |", ""]
        lines += [f"{rates['threads']} threads, nothing else running; {protocol(rates)}", ""]
    timed = {"wgan-gp": "WGAN-GP, 300 s", "ours-60": "ours, 60 s", "ours-300": "ours, 300 s"}
    if found := {part: results[part] for part in timed if part in results}:
        lines += ["## Digit-feature Fréchet distance after a given time", ""]
        lines += [
            "Each run trains on as many images as its time buys at the median rate above. It was",
            "made on one thread while others used the machine: its own duration says nothing.",
            "",
        ]
        lines += ["| run | images | Fréchet, each seed | median | rarest digit, lowest |"]
        lines += ["|:--|--:|:--|--:|--:|"]
        for part, result in found.items():
            n_images = result["runs"][0]["n_images"]
            each = ", ".join(f"{run['frechet']:.1f}" for run in result["runs"])
            rarest = min(run["rarest_share"] for run in result["runs"])
            median = f"{result['median']:.1f}"
            lines.append(f"| {timed[part]} | {n_images:,} | {each} | {median} | {rarest:.1%} |")
        lines.append("")
        if "wgan-gp" in found:
            for part, wanted in (("ours-60", 5), ("ours-300", 15)):
                if part in found:
                    lines += [ratios(found["wgan-gp"], found[part], timed[part], wanted), ""]
        for result in found.values():
            lines += [protocol(result), ""]
    if entries := results.get("zoo"):
        lines += ["## The zoo", "", "| what | Fréchet, each seed |", "|:--|:--|"]
        for name, runs in entries["entries"].items():
            lines.append(f"| {name} | {', '.join(format(r['frechet'], '.2f') for r in runs)} |")
        lines += ["", protocol(entries), ""]
    if imports := results.get("import"):
        lines += ["## Import", "", "One after the other, on a busy machine: the ratio counts.", ""]
        lines += ["| round | torch, s | the package, s | ratio |"]
        lines += ["|--:|--:|--:|--:|"]
        for i, r in enumerate(imports["rounds"], 1):
            lines.append(
                f"| {i} | {r['torch']:.2f} | {r['aigc_tutorial']:.2f} | {r['ratio']:.2f} |"
            )
        lines += [f"| median | | | **{imports['median_ratio']:.2f}** |", "", protocol(imports), ""]
    return "\n".join(lines)


def ratios(usual: Results, ours: Results, name: str, wanted: int) -> str:
    """How many times our distance the usual one is: of medians, and in the worst pairing."""
    best = min(run["frechet"] for run in usual["runs"])
    worst = max(run["frechet"] for run in ours["runs"])
    return (
        f"WGAN-GP has **{usual['median'] / ours['median']:.1f}** times the distance of {name}, "
        f"median to median, where {wanted} is wanted; its best seed has {best / worst:.1f} times "
        "the distance of our worst."
    )


if __name__ == "__main__":
    main()
