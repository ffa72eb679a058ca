"""Our autoregressive models beside the usual ones, in one run on one machine.

    python benchmarks/ar.py                       # everything, about 25 minutes on two cores
    python benchmarks/ar.py generation pixels     # parts of it

For ``rates``, ``generation``, ``generation-1`` (on one thread), ``pixels`` and ``scaling`` the
machine must be idle. The long trainings need no idle machine: ``rates`` has measured how many
tokens a time buys on two threads, they train on so many, and the result depends on that number and
the seed and not on who shares the machine.

Every measurement has a process of its own, so that nobody profits from what another one has set
up. The trainings need tiny Shakespeare itself: AIGC_TUTORIAL_DATA, the cache or a download;
``generation`` needs the ``transformers`` library. Each part replaces its entry in
``benchmarks/results/ar.json``, with the machine, the versions, the command and the date, and writes
all of them again as tables to ``benchmarks/results/ar.md``. Trainings that the same machine has
made with other seeds on the same day are kept.
"""

import dataclasses
import datetime
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ar_generation
import ar_reference
import ar_scaling
import torch
from ar_search import characters
from ar_tables import PLOT_NAME, as_tables
from recording import in_own_process, recorded, run_parts
from torch import Tensor

from aigc_tutorial import zoo
from aigc_tutorial.ar.recipes import SHAKESPEARE
from aigc_tutorial.cpu import fast_precision, tune_cpu
from aigc_tutorial.evaluation.likelihood import text_likelihood
from aigc_tutorial.nn import count_parameters
from aigc_tutorial.training import Engine

RESULTS = Path(__file__).parent / "results" / "ar.json"
N_THREADS = 2
VOCAB_SIZE = 65
PRECISIONS = {"no": "single precision", "bf16": "bfloat16"}
BUDGETS = (120_000, 140_000, 160_000, 180_000, 200_000, 240_000, 300_000, 400_000)
"""Tokens of the runs of which the first that ends at the reference's loss is looked for."""


def outcome(n_tokens: int, model: Any, validation: Tensor) -> dict[str, Any]:
    """What a run comes to: nats per character of the whole text, in windows one after the other."""
    run = {
        "n_tokens": n_tokens,
        "nats": text_likelihood(model, validation, context=64).nats_per_token,
        "n_parameters": count_parameters(model),
    }
    print(run, flush=True)
    return run


def rate_of_reference(seed: int) -> float:
    """Tokens per second of the usual small GPT, the median of three short runs."""
    torch.set_num_threads(N_THREADS)
    text, _ = characters()
    runs = [ar_reference.train_gpt(text, VOCAB_SIZE, seed, n_iterations=60) for _ in range(3)]
    n_tokens = 60 * ar_reference.BATCH_SIZE * ar_reference.CONTEXT
    return n_tokens / statistics.median(seconds for _, seconds in runs)


def rate_of_ours(seed: int, precision: str) -> float:
    """Tokens per second of our recipe, the median of three short runs."""
    torch.set_num_threads(N_THREADS)
    text, _ = characters()
    tune_cpu()
    engine = Engine(device="cpu", mixed_precision=precision)
    runs = [
        SHAKESPEARE.train(text, n_tokens=50_000, seed=seed, progress_bar=False, engine=engine)
        for _ in range(3)
    ]
    return statistics.median(run.n_tokens / run.seconds for run in runs)


def measure_rates(seeds: list[int]) -> dict[str, Any]:
    """How fast both train on two threads of an idle machine: in turns."""
    rounds = []
    for seed in seeds:
        found = {"reference": in_own_process(rate_of_reference, seed)}
        for precision in dict.fromkeys(("no", fast_precision())):
            found[PRECISIONS[precision]] = in_own_process(rate_of_ours, seed, precision)
        rounds.append(found)
    return {
        "unit": "tokens per second of training steps, median of three runs of 50,000 tokens",
        "threads": N_THREADS,
        "rounds": rounds,
        "median": {side: statistics.median(r[side] for r in rounds) for side in rounds[0]},
    }


def needed(part: str) -> dict[str, Any]:
    """Results of a part that another one builds on."""
    results = recorded(RESULTS)
    if part not in results:
        raise SystemExit(f"measure the part before: python benchmarks/ar.py {part}")
    return results[part]


def reference_run(seed: int) -> dict[str, Any]:
    """The usual small GPT, to the end of its recipe."""
    text, validation = characters()
    model, _ = ar_reference.train_gpt(text, VOCAB_SIZE, seed)
    n_tokens = ar_reference.N_ITERATIONS * ar_reference.BATCH_SIZE * ar_reference.CONTEXT
    return outcome(n_tokens, model, validation)


def our_run(seed: int, n_tokens: int) -> dict[str, Any]:
    """Our recipe on so many tokens."""
    text, validation = characters()
    tune_cpu()
    engine = Engine(device="cpu", mixed_precision=fast_precision())
    result = SHAKESPEARE.train(
        text, n_tokens=n_tokens, seed=seed, progress_bar=False, engine=engine
    )
    return outcome(result.n_tokens, result.model, validation)


def run_to(seed: int, wanted: float) -> dict[str, Any]:
    """The shortest of our runs that ends at a loss or below it."""
    return next(r for r in (our_run(seed, n) for n in BUDGETS) if r["nats"] <= wanted)


def collect(
    part: str,
    seeds: list[int],
    precision: str,
    run: Callable[..., dict[str, Any]],
    arguments: tuple[Any, ...],
) -> dict[str, Any]:
    """Runs of one kind, beside those with other seeds that this machine has made today."""
    here, earlier = dataclasses.asdict(zoo.Machine.here()), recorded(RESULTS).get(part, {})
    there = earlier.get("machine", {}) | {"n_threads": here["n_threads"]}
    same = there == here and earlier["date"] == datetime.date.today().isoformat()
    runs = {r["seed"]: r for r in earlier["runs"]} if same else {}
    runs |= {seed: {"seed": seed, **in_own_process(run, seed, *arguments)} for seed in seeds}
    ordered = [runs[seed] for seed in sorted(runs)]
    return {
        "unit": "nats per character of the whole validation split, windows of 64 given characters",
        "precision": PRECISIONS[precision],
        "runs": ordered,
        "mean": statistics.mean(r["nats"] for r in ordered),
        "seeds": sorted(runs),
        "command": f"python benchmarks/ar.py {part} --seeds {' '.join(map(str, sorted(runs)))}",
    }


def measure_reference(seeds: list[int]) -> dict[str, Any]:
    """The other side, to its end."""
    return collect("reference", seeds, "no", reference_run, ())


def measure_equal(seeds: list[int]) -> dict[str, Any]:
    """Our runs that end where the reference does."""
    wanted = needed("reference")["mean"]
    return collect("equal", seeds, fast_precision(), run_to, (wanted,))


def measure_ours(seeds: list[int], seconds: int) -> dict[str, Any]:
    """Our recipe on the tokens that a time buys."""
    n_tokens = round(seconds * needed("rates")["median"][PRECISIONS[fast_precision()]])
    return collect(f"ours-{seconds}", seeds, fast_precision(), our_run, (n_tokens,))


def measure_generation(seeds: list[int], n_threads: int) -> dict[str, Any]:
    """Tokens a second of a single sequence."""
    rounds = [in_own_process(ar_generation.compare_generation, seed, n_threads) for seed in seeds]
    return {
        "unit": f"tokens per second, one sequence of {ar_generation.LENGTH}",
        "threads": n_threads,
        "rounds": rounds,
    }


def measure_pixels(seeds: list[int]) -> dict[str, Any]:
    """Seconds for a batch of digits."""
    rounds = [in_own_process(ar_generation.compare_pixels, seed, N_THREADS) for seed in seeds]
    return {"unit": f"seconds for {ar_generation.N_DIGITS} digits", "rounds": rounds}


def measure_scaling(seeds: list[int]) -> dict[str, Any]:
    """Time and memory against the number of tokens; the first seed's weights alone."""
    result = in_own_process(ar_scaling.measure_scaling, seeds[0], N_THREADS)
    ar_scaling.draw(result, RESULTS.with_name(PLOT_NAME))
    return {"unit": "batch of one, recipe's size", "seeds": seeds[:1], **result}


if __name__ == "__main__":
    run_parts(
        RESULTS,
        {
            "rates": measure_rates,
            "reference": measure_reference,
            "equal": measure_equal,
            "ours-60": lambda seeds: measure_ours(seeds, 60),
            "ours-120": lambda seeds: measure_ours(seeds, 120),
            "generation": lambda seeds: measure_generation(seeds, N_THREADS),
            "generation-1": lambda seeds: measure_generation(seeds, 1),
            "pixels": measure_pixels,
            "scaling": measure_scaling,
        },
        as_tables,
        __doc__.splitlines()[0],
    )
