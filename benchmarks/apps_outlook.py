"""Do generated photographs help a classifier? The comparison of page 6.4, for many seeds.

    python benchmarks/apps_outlook.py --seeds 0 1 2 3 4

Each seed draws its own patients, trains its own GANs on the rare class, and the same classifier in
every way. Part ``lesions`` compares the ways, and measures how well a stranger tells by a GAN's
samples who was in its training. Part ``settings`` asks whether another learning rate of the
classifier, or a longer or shorter training of the GAN, would turn the result round. Each seed is
kept as it ends, and a part goes on where it was interrupted.

Results: ``benchmarks/results/apps_outlook.json``, and as tables ``apps_outlook.md``.
"""

import dataclasses
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from recording import Results, protocol, run_parts

from aigc_tutorial.apps.outlook import augmentation, screening
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.evaluation import nearest_neighbours
from aigc_tutorial.files import replace_file

RESULTS = Path(__file__).parent / "results" / "apps_outlook.json"
SEEDS_SO_FAR = RESULTS.with_suffix(".partial.json")

RULE = "repeated, turned and flipped"
LEARNING_RATES = (5e-4, 2e-3, 8e-3)
GAN_BUDGETS = (3_200, 9_600, 28_800)


def compared(seed: int) -> Results:
    """All ways with the patients of one seed, and what the GAN gives away."""
    study = augmentation.draw_study(seed=seed)
    generated = {
        "GAN": augmentation.draw_generated(study, seed=seed),
        "GAN of turned photographs": augmentation.draw_generated(study, turned=True, seed=seed),
    }
    ways = augmentation.compare_ways(study, generated, seed=seed)
    strangers = study.test.take(study.test.labels == 1).images
    others = study.more.take(study.more.patients >= int(study.training.patients.max()) + 1).images
    told = {
        "photograph": told_by(study.positives, strangers, generated["GAN"]),
        "patient": told_by(study.new_photographs.images, strangers, generated["GAN"]),
        "control": told_by(study.positives, strangers, others),
    }
    return {
        "ways": {name: dataclasses.asdict(outcome) for name, outcome in ways.items()},
        "membership": told,
    }


def told_by(members: torch.Tensor, strangers: torch.Tensor, published: torch.Tensor) -> float:
    """AUROC of a guess who was in the training: whose picture has a published one near it."""
    both = torch.cat([members, strangers])
    near = -nearest_neighbours(both, published).distances[:, 0]
    return screening.auroc(near, torch.arange(len(both)) < len(members))


def with_other_settings(seed: int) -> Results:
    """AUROC of the ways that matter, with one setting changed at a time."""
    study = augmentation.draw_study(seed=seed)
    found: Results = {}
    for budget in GAN_BUDGETS:
        generated = {"GAN": augmentation.draw_generated(study, seed=seed, n_images=budget)}
        rates = LEARNING_RATES if budget == augmentation.N_IMAGES else (2e-3,)
        for rate in rates:
            ways = augmentation.compare_ways(
                study,
                generated,
                simple=("nothing", RULE) if budget == augmentation.N_IMAGES else (),
                seed=seed,
                config=screening.ScreeningConfig(learning_rate=rate),
            )
            found[f"{rate} {budget}"] = {name: outcome.auroc for name, outcome in ways.items()}
    return found


def by_seed(part: str, measure: Callable[[int], Results], seeds: list[int]) -> Results:
    """Every seed's results, kept as they end."""
    tune_cpu()
    kept: Results = json.loads(SEEDS_SO_FAR.read_text()) if SEEDS_SO_FAR.exists() else {}
    done = kept.setdefault(part, {})
    for seed in seeds:
        if str(seed) not in done:
            done[str(seed)] = measure(seed)
            with replace_file(SEEDS_SO_FAR) as temporary:
                temporary.write_text(json.dumps(kept))
            print(f"seed {seed} done", flush=True)
    config = augmentation.StudyConfig()
    unit = (
        f"{config.n_test} patients of each class in the test, two photographs each; trained on "
        f"{config.n_positive} patients of the rare class and {config.n_negative} of the other, "
        f"{config.n_each} photographs each; mean over seeds ± its standard error"
    )
    return {"unit": unit, "by_seed": {str(seed): done[str(seed)] for seed in seeds}}


def mean_and_error(values: list[float], digits: int = 2) -> str:
    """Mean ± standard error, of one value the value alone."""
    mean = f"{statistics.mean(values):.{digits}f}"
    if len(values) > 1:
        mean += f" ± {statistics.stdev(values) / len(values) ** 0.5:.{digits}f}"
    return mean.replace("-", "−")


def as_tables(results: Results) -> str:
    """Both parts as tables; differences to the best simple way are taken within each seed."""
    tables = []
    if part := results.get("lesions"):
        tables += [_table_of_ways(part), _table_of_membership(part)]
        tables.append(f"Measured: {protocol(part)}")
    if part := results.get("settings"):
        tables += [_table_of_settings(part), f"Measured: {protocol(part)}"]
    return "\n\n".join(tables) + "\n"


def _table_of_ways(part: Results) -> str:
    runs = list(part["by_seed"].values())
    lines = [
        f"| what is done for the rare class | AUROC | sensitivity at specificity 0.9 | AUROC less "
        f'that of "{RULE}" |',
        "|:--|--:|--:|--:|",
    ]
    for name in runs[0]["ways"]:
        area, found = ([run["ways"][name][key] for run in runs] for key in ("auroc", "sensitivity"))
        beside = [run["ways"][name]["auroc"] - run["ways"][RULE]["auroc"] for run in runs]
        difference = "–" if name == RULE else mean_and_error(beside, 3)
        lines.append(
            f"| {name} | {mean_and_error(area)} | {mean_and_error(found)} | {difference} |"
        )
    return "\n".join(lines)


def _table_of_membership(part: Results) -> str:
    lines = ["| who is told, and by what | AUROC |", "|:--|--:|"]
    for key, name in (
        ("photograph", "a photograph that the GAN has learned from, by its samples"),
        ("patient", "another photograph of a patient whom it has learned from, by its samples"),
        ("control", "the same photographs, by those of patients who have nothing to do with them"),
    ):
        told = [run["membership"][key] for run in part["by_seed"].values()]
        lines.append(f"| {name} | {mean_and_error(told)} |")
    return "\n".join(lines)


def _table_of_settings(part: Results) -> str:
    runs = list(part["by_seed"].values())
    names = ("nothing", RULE, "GAN", "GAN, turned and flipped")
    lines = [
        "| classifier's learning rate | photographs shown to the GAN | "
        + " | ".join(f"AUROC, {name}" for name in names)
        + " |",
        "|--:|--:|" + "--:|" * len(names),
    ]
    for key in runs[0]:
        rate, budget = key.split()
        cells = [
            mean_and_error([run[key][name] for run in runs]) if name in runs[0][key] else ""
            for name in names
        ]
        lines.append(f"| {float(rate):g} | {int(budget):,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    run_parts(
        RESULTS,
        {
            "lesions": lambda seeds: by_seed("lesions", compared, seeds),
            "settings": lambda seeds: by_seed("settings", with_other_settings, seeds),
        },
        as_tables,
        "Generated photographs beside simple rules",
    )
