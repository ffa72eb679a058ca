"""Do generated photographs help a classifier? The comparison of page 6.4, for many seeds.

    python benchmarks/apps_outlook.py --seeds 0 1 2 3 4 5 6 7 8 9 10 11

Each seed draws its own patients, trains its own GAN on the rare class, and the same classifier in
every way. Part ``lesions`` keeps each seed as it ends, and goes on where it was interrupted; with
the photographs it keeps how well a stranger tells by the GAN's samples who was in its training.

Results: ``benchmarks/results/apps_outlook.json``, and as a table ``apps_outlook.md``.
"""

import dataclasses
import json
import statistics
from pathlib import Path

import torch
from recording import Results, protocol, run_parts

from aigc_tutorial.apps.outlook import augmentation, screening
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.evaluation import nearest_neighbours
from aigc_tutorial.files import replace_file

RESULTS = Path(__file__).parent / "results" / "apps_outlook.json"
SEEDS_SO_FAR = RESULTS.with_suffix(".partial.json")


def one_seed(seed: int) -> Results:
    """All ways with the patients of one seed, and what the GAN gives away."""
    study = augmentation.draw_study(seed=seed)
    generator = augmentation.RECIPE.train(study.positives, seed=seed, progress_bar=False).generator
    n_missing = int((study.training.labels == 0).sum()) - len(study.positives)
    generated = generator.sample(n_missing, rng=torch.Generator().manual_seed(seed))
    ways = augmentation.compare_ways(study, generated, seed=seed)
    strangers = study.test.take(study.test.labels == 1).images
    suspects = {"photograph": study.positives, "patient": study.new_photographs.images}
    return {
        "ways": {name: dataclasses.asdict(outcome) for name, outcome in ways.items()},
        "membership": {name: told_by(x, strangers, generated) for name, x in suspects.items()},
    }


def told_by(members: torch.Tensor, strangers: torch.Tensor, generated: torch.Tensor) -> float:
    """AUROC of a guess who was in the training: whose picture has a generated one near it."""
    both = torch.cat([members, strangers])
    near = -nearest_neighbours(both, generated).distances[:, 0]
    return screening.auroc(near, torch.arange(len(both)) < len(members))


def lesions(seeds: list[int]) -> Results:
    """Every seed's comparison, kept as it ends."""
    tune_cpu()
    done: Results = json.loads(SEEDS_SO_FAR.read_text()) if SEEDS_SO_FAR.exists() else {}
    for seed in seeds:
        if str(seed) not in done:
            done[str(seed)] = one_seed(seed)
            with replace_file(SEEDS_SO_FAR) as temporary:
                temporary.write_text(json.dumps(done))
            print(f"seed {seed} done", flush=True)
    config = augmentation.StudyConfig()
    unit = (
        f"{config.n_test} patients of each class in the test, two photographs each; trained on "
        f"{config.n_positive} patients of the rare class and {config.n_negative} of the other, "
        f"{config.n_each} photographs each; mean over seeds ± its standard error"
    )
    return {"unit": unit, "by_seed": {str(seed): done[str(seed)] for seed in seeds}}


def mean_and_error(values: list[float], digits: int = 3) -> str:
    """Mean ± standard error."""
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.{digits}f} ± {error:.{digits}f}"


def as_tables(results: Results) -> str:
    """The comparison as a table, differences to the best simple way within each seed."""
    part = results["lesions"]
    runs = list(part["by_seed"].values())
    rival = "repeated, turned and flipped"
    lines = [
        "| what is done for the rare class | AUROC | sensitivity at specificity 0.9 | AUROC beside "
        '"repeated, turned and flipped" |',
        "|:--|--:|--:|--:|",
    ]
    for name in runs[0]["ways"]:
        area, found = ([run["ways"][name][key] for run in runs] for key in ("auroc", "sensitivity"))
        beside = [run["ways"][name]["auroc"] - run["ways"][rival]["auroc"] for run in runs]
        difference = "–" if name == rival else mean_and_error(beside).replace("-", "−")
        lines.append(
            f"| {name} | {mean_and_error(area)} | {mean_and_error(found)} | {difference} |"
        )
    lines += ["", "| who is told by the GAN's samples | AUROC |", "|:--|--:|"]
    for key, name in (
        ("photograph", "a photograph that the GAN has learned from"),
        ("patient", "another photograph of a patient whom it has learned from"),
    ):
        lines.append(f"| {name} | {mean_and_error([run['membership'][key] for run in runs])} |")
    return "\n".join(lines) + f"\n\nMeasured: {protocol(part)}\n"


if __name__ == "__main__":
    run_parts(RESULTS, {"lesions": lesions}, as_tables, "Generated photographs beside simple rules")
