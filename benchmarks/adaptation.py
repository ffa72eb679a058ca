"""What adapts a small language model best to a task with few labels?

    python benchmarks/adaptation.py period

Written into ``results/adaptation.json`` and ``adaptation.md``. Period: is a quatrain by one of
six poets of the High Tang or of two of the Late Tang, by the zoo's model of Tang quatrains, which
has read most of these poems, and no poet's name. Each way tries four rates at the first seed; the
one that does best on validation data runs at all seeds, each with labels of its own. In every run
the weights are kept that do best on validation data. What is reported is measured on test data that
chose nothing. The sentiment of financial tweets is measured by ``apps_news.py``.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from recording import Results, protocol, run_parts
from torch import Tensor

from aigc_tutorial import adaptation, ar, zoo
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.data import tang_sample
from aigc_tutorial.nn import count_parameters, seeded_weights

RESULTS = Path(__file__).parent / "results" / "adaptation.json"
N_LABELS, N_VALIDATION = 200, 150
N_EXAMPLES, N_EXAMPLES_HEAD = 800, 8_000
PERIODS, LATE_POETS = ("High Tang", "Late Tang"), ("李商隱", "杜牧")

Texts = tuple[list[str], Tensor]


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes:
        model: of the zoo, which the ways begin with.
        length: tokens of a text that are read.
        classes: their names.
        analyzer: what the counted words are: "word", or "char" where the script has no spaces.
        pool: texts to learn from and to choose by.
        test: texts that choose nothing.
        unit: what is measured on what.
    """

    model: str
    length: int
    classes: tuple[str, ...]
    analyzer: str
    pool: Texts
    test: Texts
    unit: str


@dataclass(frozen=True)
class Way:
    """A way to a classifier.

    Attributes:
        backbone: makes one of the zoo's model, with what is to be trained in it; takes the seed.
        rates: to choose from: those of the backbone, or of the head where the backbone is frozen.
        n_examples: texts seen in training, with repetition.
    """

    backbone: Callable[[ar.Transformer, int], ar.Transformer]
    rates: Sequence[float]
    n_examples: int = N_EXAMPLES


def with_lora(model: ar.Transformer, seed: int) -> ar.Transformer:
    """LoRA of rank 8 in all linear layers but the head."""
    adaptation.add_lora(model, rank=8, rng=torch.Generator().manual_seed(seed))
    return model


def from_scratch(model: ar.Transformer, seed: int) -> ar.Transformer:
    """The same architecture with random weights."""
    with seeded_weights(seed):
        return ar.Transformer(model.config)


WAYS = {
    "all weights": Way(lambda model, _seed: model, (1e-4, 3e-4, 1e-3, 3e-3)),
    "LoRA, rank 8": Way(with_lora, (3e-4, 1e-3, 3e-3, 1e-2)),
    "head alone": Way(
        lambda model, _seed: model.requires_grad_(False), (3e-4, 1e-3, 3e-3, 1e-2), N_EXAMPLES_HEAD
    ),
    "all weights, from random ones": Way(from_scratch, (1e-4, 3e-4, 1e-3, 3e-3)),
}
INVERSE_PENALTIES = (1.0, 10.0, 30.0, 100.0, 300.0)


def draw(texts: Texts, n: int, rng: torch.Generator) -> tuple[Texts, Texts]:
    """So many texts, and the others."""
    order = torch.randperm(len(texts[0]), generator=rng).tolist()
    first, rest = (([texts[0][i] for i in part], texts[1][part]) for part in (order[:n], order[n:]))
    return first, rest


def period() -> Task:
    """Quatrains of eight poets that come with the package."""
    poems = tang_sample("all").poems
    late = torch.tensor([int(poem.author in LATE_POETS) for poem in poems])
    texts = [poem.text for poem in poems], late
    rng = torch.Generator().manual_seed(0)
    pool, test = draw(texts, N_LABELS + N_VALIDATION + 50, rng)
    return Task("tang-quatrains", 34, PERIODS, "char", pool, test, "unseen quatrains")


def scores(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy, and the mean over the classes of the harmonic mean of precision and recall."""
    named = probabilities.argmax(1)
    f1 = []
    for k in range(probabilities.shape[1]):
        hits = int(((named == k) & (labels == k)).sum())
        f1.append(2 * hits / max(1, int((named == k).sum() + (labels == k).sum())))
    return {
        "accuracy": round(float((named == labels).double().mean()), 4),
        "f1": round(statistics.mean(f1), 4),
    }


def kept_for_backward(classifier: adaptation.Classifier, rows: tuple[Tensor, ...]) -> int:
    """Bytes that the forward pass of a batch keeps for the backward pass, weights excepted."""
    weights = {p.untyped_storage().data_ptr() for p in classifier.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens, mask, labels = (part[:16] for part in rows)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = F.cross_entropy(classifier(tokens, mask), labels)  # noqa: F841  keeps the graph
    return sum(kept.values())


def measure(task: Task, seeds: list[int]) -> Results:
    """All ways, beside TF-IDF with logistic regression and the most frequent class."""
    tokenizer = zoo.tokenizer(task.model)
    labelled = {}
    for seed in seeds:
        rng = torch.Generator().manual_seed(1 + seed)
        train, rest = draw(task.pool, N_LABELS, rng)
        labelled[seed] = train, draw(rest, N_VALIDATION, rng)[0]

    def rows(texts: Texts) -> tuple[Tensor, Tensor, Tensor]:
        return *adaptation.encode_texts(texts[0], tokenizer, length=task.length), texts[1]

    test_rows = rows(task.test)

    def run(way: Way, rate: float, seed: int) -> tuple[float, Any, dict[str, Any]]:
        train, validation = map(rows, labelled[seed])
        classifier = adaptation.Classifier(
            way.backbone(zoo.load(task.model), seed), len(task.classes)
        )
        head_rate = rate if classifier.is_backbone_frozen else 1e-2
        result = adaptation.train_classifier(
            classifier,
            train,
            config=adaptation.FineTuningConfig(
                n_examples=way.n_examples,
                learning_rate_head=head_rate,
                learning_rate_backbone=rate,
            ),
            seed=seed,
            validation=validation,
            validate_every=way.n_examples // 4,
            progress_bar=False,
        )
        nlls = result.validation["nll"]
        facts = {
            "trained": count_parameters(classifier),
            "kept_mb": round(kept_for_backward(classifier, train) / 1e6, 1),
            "seconds": round(result.seconds, 1),
            "best_at": int(result.validation["n_examples"][nlls.index(min(nlls))]),
        }
        return min(nlls), classifier, facts

    found = []
    for name, way in WAYS.items():
        tried = {rate: run(way, rate, seeds[0]) for rate in way.rates}
        best = min(tried, key=lambda rate: tried[rate][0])
        runs = [tried[best], *(run(way, best, seed) for seed in seeds[1:])]
        measured = [
            scores(adaptation.class_probabilities(classifier, *test_rows[:2]), test_rows[2])
            for _, classifier, _ in runs
        ]
        found.append(
            {
                "way": name,
                "rate": best,
                "tried": {str(rate): round(nll, 4) for rate, (nll, _, _) in tried.items()},
                "n_examples": way.n_examples,
                "best_at": [facts["best_at"] for _, _, facts in runs],
                "trained": runs[0][2]["trained"],
                "kept_mb": runs[0][2]["kept_mb"],
                "seconds": [facts["seconds"] for _, _, facts in runs],
                **{key: [each[key] for each in measured] for key in ("accuracy", "f1")},
            }
        )
        print(found[-1], flush=True)
    found += [counted_words(labelled, seeds, task), most_frequent(labelled, seeds, task)]
    n_test = len(task.test[0])
    shares = ", ".join(f"{share:.2f}" for share in task.test[1].bincount() / n_test)
    return {
        "unit": f"{n_test:,} {task.unit}; {N_LABELS} labelled ones to learn from and "
        f"{N_VALIDATION} to choose by; the shares of {', '.join(task.classes)} among the unseen "
        f"are {shares}",
        "rows": found,
    }


def counted_words(labelled: dict[int, Any], seeds: list[int], task: Task) -> dict[str, Any]:
    """TF-IDF of words and of pairs of them, or of characters, and logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    def fit(penalty: float, seed: int) -> tuple[float, Tensor, float, int]:
        (texts, labels), (unseen, chosen_by) = labelled[seed]
        started = time.perf_counter()
        counter = TfidfVectorizer(analyzer=task.analyzer, ngram_range=(1, 2), sublinear_tf=True)
        model = LogisticRegression(C=penalty, max_iter=2_000)
        model.fit(counter.fit_transform(texts), labels)
        seconds = time.perf_counter() - started
        nll = log_loss(chosen_by, model.predict_proba(counter.transform(unseen)))
        named = torch.from_numpy(model.predict_proba(counter.transform(task.test[0])))
        return nll, named, seconds, model.coef_.size + model.intercept_.size

    tried = {penalty: fit(penalty, seeds[0]) for penalty in INVERSE_PENALTIES}
    best = min(tried, key=lambda penalty: tried[penalty][0])
    runs = [tried[best], *(fit(best, seed) for seed in seeds[1:])]
    measured = [scores(named, task.test[1]) for _, named, _, _ in runs]
    return {
        "way": f"TF-IDF of {task.analyzer}s and pairs, logistic regression",
        "rate": best,
        "tried": {str(penalty): round(nll, 4) for penalty, (nll, *_) in tried.items()},
        "trained": runs[0][3],
        "seconds": [round(seconds, 2) for _, _, seconds, _ in runs],
        **{key: [each[key] for each in measured] for key in ("accuracy", "f1")},
    }


def most_frequent(labelled: dict[int, Any], seeds: list[int], task: Task) -> dict[str, Any]:
    """The class that most labelled texts have, for every text."""
    measured = []
    for seed in seeds:
        (_, labels), _ = labelled[seed]
        named = torch.zeros(len(task.test[0]), len(task.classes))
        named[:, labels.mode().values] = 1
        measured.append(scores(named, task.test[1]))
    keys = ("accuracy", "f1")
    return {"way": "most frequent class"} | {key: [m[key] for m in measured] for key in keys}


def tables(results: Results) -> str:
    """All parts as Markdown."""
    lines = [
        "# What adapts a small language model best to a task with few labels?",
        "",
        "Written by `python benchmarks/adaptation.py`; not edited by hand. Each way tries its own",
        "rates; rate and step are chosen on validation data. F1 is the mean over the classes.",
        "Gradients and Adam's two averages take 12 bytes for each trained weight; what else a step",
        "of 16 texts keeps for its backward pass is measured. The head's features are computed",
        "once, so it may see ten times as many examples.",
    ]
    for part, result in results.items():
        lines += ["", f"## {part.capitalize()}", "", protocol(result), ""]
        lines += [
            "| way | F1, mean | each seed | accuracy | weights trained | MB for them "
            "| MB kept | s | rate | examples seen | best at |",
            "|:--|--:|:--|--:|--:|--:|--:|--:|--:|--:|:--|",
        ]
        for row in result["rows"]:
            cells = [
                row["way"],
                f"{statistics.mean(row['f1']):.3f}",
                ", ".join(f"{value:.3f}" for value in row["f1"]),
                f"{statistics.mean(row['accuracy']):.3f}",
            ]
            is_ours = "kept_mb" in row
            cells += [f"{row['trained']:,}" if "trained" in row else "–"]
            cells += [f"{12e-6 * row['trained']:.2f}" if is_ours else "–"]
            cells += [f"{row['kept_mb']:.1f}" if is_ours else "–"]
            cells += [f"{statistics.median(row['seconds']):.1f}" if "seconds" in row else "–"]
            cells += [f"{row['rate']:g}" if "rate" in row else "–"]
            cells += [f"{row['n_examples']:,}" if is_ours else "–"]
            cells += [", ".join(f"{n:,}" for n in row["best_at"]) if is_ours else "–"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    tune_cpu()
    parts = {"period": lambda seeds: measure(period(), seeds)}
    run_parts(RESULTS, parts, tables, __doc__.splitlines()[0])
