"""Do generated photographs help, and who writes levels? The comparisons of page 6.4, by seeds.

    python benchmarks/apps_outlook.py --seeds 0 1 2 3 4

Each seed draws its own patients, trains its own GANs on the rare class, and the same classifier in
every way. Part ``lesions`` compares the ways, and measures how well a stranger tells by a GAN's
samples who was in its training. Part ``settings`` asks whether another learning rate of the
classifier, or a longer or shorter training of the GAN, would turn the result round: each way at
each rate, with each GAN; it takes the first three seeds. Part ``levels`` gives the GAN and the
Transformer that write levels the same four settings each: a third of the learning rate, the page's,
three times it, and four times the budget; it takes the first two seeds. Each seed is kept as it
ends, and a part goes on where it was interrupted.

Results: ``benchmarks/results/apps_outlook.json``, and as tables ``apps_outlook.md``.
"""

import dataclasses
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from recording import Results, protocol, run_parts

from aigc_tutorial.apps.outlook import augmentation, level_writers, levels, screening
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.evaluation import nearest_neighbours
from aigc_tutorial.files import replace_file

RESULTS = Path(__file__).parent / "results" / "apps_outlook.json"
SEEDS_SO_FAR = RESULTS.with_suffix(".partial.json")

RULE = "repeated, turned and flipped"
LEARNING_RATES = (2e-3, 8e-3, 3.2e-2, 1.28e-1)
GAN_BUDGETS = (400, 1_600, 3_200, 9_600, 28_800)
N_LEVELS = 400
LEVEL_SETTINGS = {
    "a third of the learning rate": (1 / 3, 1),
    "as on the page": (1, 1),
    "three times the learning rate": (3, 1),
    "four times the budget": (1, 4),
}


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
    """AUROC of the ways that matter, at each learning rate and with each GAN."""
    study = augmentation.draw_study(seed=seed)
    found: Results = {}
    for budget in GAN_BUDGETS:
        generated = {"GAN": augmentation.draw_generated(study, seed=seed, n_images=budget)}
        for rate in LEARNING_RATES:
            ways = augmentation.compare_ways(
                study,
                generated,
                simple=("nothing", RULE) if budget == GAN_BUDGETS[0] else (),
                seed=seed,
                config=screening.ScreeningConfig(learning_rate=rate),
            )
            found[f"{rate} {budget}"] = {name: outcome.auroc for name, outcome in ways.items()}
    return found


def levels_written(seed: int) -> Results:
    """Share of levels in order, by the GAN and by the Transformer, with four settings each."""
    rng = torch.Generator().manual_seed(seed)
    rooms, lengths = levels.make_levels(3_000, rng=rng)
    wanted = torch.arange(N_LEVELS) % 2
    found: Results = {}
    for name, (rate, budget) in LEVEL_SETTINGS.items():
        training = level_writers.AUTHOR_TRAINING
        config = dataclasses.replace(
            training,
            n_tokens=budget * training.n_tokens,
            learning_rate_matrices=rate * training.learning_rate_matrices,
            learning_rate_others=rate * training.learning_rate_others,
        )
        author = level_writers.train_author(rooms, lengths, config=config, seed=seed)
        game = level_writers.BUILDER.training
        recipe = dataclasses.replace(
            level_writers.BUILDER,
            training=dataclasses.replace(
                game,
                n_images=budget * game.n_images,
                learning_rate_generator=rate * game.learning_rate_generator,
                learning_rate_discriminator=rate * game.learning_rate_discriminator,
                learning_rate_kernels=rate * game.learning_rate_kernels,
            ),
        )
        builder = level_writers.train_builder(rooms, lengths, recipe=recipe, seed=seed)
        written = {
            "Transformer": level_writers.write_with(author, wanted, rng=rng),
            "GAN": level_writers.build_with(builder, wanted, rng=rng)[0],
        }
        found[name] = {
            writer: {
                "one of each": float(levels.has_one_of_each(grids).double().mean()),
                "in order": sum(levels.judge_level(grid).in_order for grid in grids) / N_LEVELS,
            }
            for writer, grids in written.items()
        }
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
    if part == "levels":
        unit = f"{N_LEVELS} levels of each; mean over seeds ± its standard error"
        return {"seeds": seeds, "unit": unit, "by_seed": {str(k): done[str(k)] for k in seeds}}
    config = augmentation.StudyConfig()
    unit = (
        f"{config.n_test} patients of each class in the test, two photographs each; trained on "
        f"{config.n_positive} patients of the rare class and {config.n_negative} of the other, "
        f"{config.n_each} photographs each; mean over seeds ± its standard error"
    )
    return {"seeds": seeds, "unit": unit, "by_seed": {str(k): done[str(k)] for k in seeds}}


def mean_and_error(values: list[float], digits: int = 2) -> str:
    """Mean ± standard error, of one value the value alone."""
    mean = f"{statistics.mean(values):.{digits}f}"
    if len(values) > 1:
        mean += f" ± {statistics.stdev(values) / len(values) ** 0.5:.{digits}f}"
    return mean.replace("-", "−")


def as_tables(results: Results) -> str:
    """A section for each part; differences to the best simple way are taken within each seed."""
    sections = {
        "lesions": ("Ways", [_table_of_ways, _table_of_membership]),
        "settings": ("Settings", [_table_of_settings]),
        "levels": ("Levels", [_table_of_levels]),
    }
    blocks = ["# The outlook's comparisons"]
    for name, (title, tables) in sections.items():
        blocks.append(f"## {title}")
        if part := results.get(name):
            blocks += [table(part) for table in tables] + [f"Measured: {protocol(part)}"]
    return "\n\n".join(blocks) + "\n"


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
    rows = [(name, GAN_BUDGETS[0], name) for name in ("nothing", RULE)]
    rows += [
        (f"{name}; {budget:,} photographs shown to the GAN", budget, name)
        for name in ("GAN", "GAN, turned and flipped")
        for budget in GAN_BUDGETS
    ]
    lines = [
        "| AUROC at the classifier's learning rate | "
        + " | ".join(f"{rate:g}" for rate in LEARNING_RATES)
        + " |",
        "|:--|" + "--:|" * len(LEARNING_RATES),
    ]
    for name, budget, key in rows:
        cells = [
            mean_and_error([run[f"{rate} {budget}"][key] for run in runs])
            for rate in LEARNING_RATES
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _table_of_levels(part: Results) -> str:
    runs = list(part["by_seed"].values())
    columns = [(w, key) for w in ("GAN", "Transformer") for key in ("one of each", "in order")]
    lines = [
        "| setting | " + " | ".join(f"{w}: {key}" for w, key in columns) + " |",
        "|:--|" + "--:|" * len(columns),
    ]
    for name in runs[0]:
        cells = [mean_and_error([run[name][w][key] for run in runs]) for w, key in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    run_parts(
        RESULTS,
        {
            "lesions": lambda seeds: by_seed("lesions", compared, seeds),
            "settings": lambda seeds: by_seed("settings", with_other_settings, seeds[:3]),
            "levels": lambda seeds: by_seed("levels", levels_written, seeds[:2]),
        },
        as_tables,
        "Generated photographs and levels beside simple rules",
    )
