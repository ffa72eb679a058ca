"""What tells bad news from good, and how soon does an alarm ring?

    python benchmarks/apps_news.py
    python benchmarks/apps_news.py stream

Written into ``results/apps_news.json`` and ``apps_news.md``, part by part: leaks, list, words,
letters, both, head, lora, full, scratch, topics, stream. Real tweets alone: ``financial_news`` must
find them. Each way to a classifier tries three settings and more, until the best is not the first
or last of them, and is judged by macro-F1 on 300 validation tweets: counted words at every size,
with the first seed; networks, whose runs take a thousand times longer, with 300 labels, for all
sizes. With all labels each runs once. Of the networks the weights are kept whose likelihood of
those 300 is best. Counted words weigh the classes equally while they learn; networks do when they
name, where each probability is divided by a power of its class's share of the training labels,
which the 300 choose too. Test tweets are looked at once for each run, and chose nothing. The stream
takes what the ways with all labels did on the test tweets, so it comes last.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from recording import Results, protocol, recorded, run_parts
from torch import Tensor

from aigc_tutorial import adaptation, ar, data, zoo
from aigc_tutorial.apps import news
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.data import SENTIMENTS
from aigc_tutorial.nn import count_parameters, seeded_weights

RESULTS = Path(__file__).parent / "results" / "apps_news.json"
MODEL, LENGTH = "english-subwords", 64
N_VALIDATION, TUNED_AT = 300, 300
SIZES = (30, 100, 300, 1_000, 3_000, 7_943)
SIZES_NETWORK = (300, 1_000, 7_943)
N_EXAMPLES = {300: 1_600, 1_000: 3_200, 7_943: 24_000}
N_EXAMPLES_HEAD = {size: 10 * n for size, n in N_EXAMPLES.items()}
POWERS = (0.0, 0.5, 1.0)
FALSE_ALARMS_PER_DAY = (1 / 2, 1 / 7, 1 / 30)
SHOWN = 1 / 7
Texts = tuple[list[str], Tensor]


def real_news(split: Any) -> data.NewsDataset:
    """The real tweets, or the end."""
    dataset = data.financial_news(split)
    if dataset.source.kind == "embedded":
        raise SystemExit("the real tweets are not here: set AIGC_TUTORIAL_DATA, or go online")
    return dataset


@dataclass(frozen=True)
class Tweets:
    """What is learned from, chosen by, and tested on."""

    pool: Texts
    validation: Texts
    test: Texts
    n_stories: tuple[int, int]

    @classmethod
    def load(cls) -> "Tweets":
        """Read them all; 300 of the validation tweets are for choices."""
        parts = [real_news(split) for split in ("train", "validation", "test")]
        (pool, validation, test) = ((part.texts, part.labels) for part in parts)
        chosen = drawn(validation, N_VALIDATION, seed=0)
        return cls(pool, chosen, test, (parts[0].n_duplicates, parts[2].n_leaks))


def drawn(texts: Texts, n: int, seed: int) -> Texts:
    """So many texts, the same ones and more for a larger number."""
    rng = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(texts[0]), generator=rng)[:n].tolist()
    return [texts[0][i] for i in rows], texts[1][rows]


def scores(labels: Tensor, named: Tensor) -> dict[str, Any]:
    """Accuracy, macro-F1 with its interval, and of each sentiment the share named bearish."""
    interval = news.bootstrap_interval(
        news.macro_f1, labels, named, rng=torch.Generator().manual_seed(0), n_draws=200
    )
    return {
        "accuracy": round(float((labels == named).double().mean()), 4),
        "f1": round(news.macro_f1(labels, named), 4),
        "f1_interval": [round(end, 4) for end in interval],
        "named_bearish": [
            round(float((named[labels == c] == 0).double().mean()), 4) for c in (0, 1, 2)
        ],
    }


Fitted = Callable[[list[str]], Tensor]
Way = Callable[[Texts, Texts, float, int], tuple[Fitted, dict[str, Any]]]


def best_setting(
    score: Callable[[float], float], settings: Sequence[float], more: int = 4
) -> dict[float, float]:
    """Scores of settings, the best one first; where that is at an end, of up to ``more`` beyond.

    The settings rise by about the same factor, which is taken on beyond their ends.
    """
    tried = {setting: score(setting) for setting in settings}
    for _ in range(more):
        rising = sorted(tried)
        best = max(rising, key=lambda setting: tried[setting])
        if best not in (rising[0], rising[-1]):
            break
        factor = (rising[-1] / rising[0]) ** (1 / (len(rising) - 1))
        beyond = best * factor if best == rising[-1] else best / factor
        beyond = float(f"{beyond:.1g}")
        tried[beyond] = score(beyond)
    return dict(sorted(tried.items(), key=lambda item: -item[1]))


def curve(
    way: Way,
    name: str,
    settings: Sequence[float],
    sizes: Sequence[int],
    seeds: list[int],
    *,
    each_size: bool = False,
) -> Results:
    """Choose a setting, at one size or at each, then measure at all sizes and seeds."""
    tweets = Tweets.load()

    def fit(n: int, setting: float, seed: int) -> tuple[Fitted, dict[str, Any]]:
        started = time.process_time()
        fitted, facts = way(drawn(tweets.pool, n, 1 + seed), tweets.validation, setting, seed)
        return fitted, facts | {"cpu_seconds": round(time.process_time() - started, 2)}

    def score(n: int, setting: float) -> float:
        fitted, _ = fit(n, setting, seeds[0])
        return round(news.macro_f1(tweets.validation[1], fitted(tweets.validation[0])), 4)

    tried = {
        n: best_setting(partial(score, n), settings) for n in (sizes if each_size else [TUNED_AT])
    }
    rows = []
    for n in sizes:
        best = next(iter(tried[n if each_size else TUNED_AT]))
        runs = []
        for seed in seeds if n < len(tweets.pool[0]) else seeds[:1]:
            fitted, facts = fit(n, best, seed)
            runs.append(scores(tweets.test[1], fitted(tweets.test[0])) | facts | {"seed": seed})
        rows.append({"n_labels": n, "setting": best, "runs": runs})
        print(name, n, [run["f1"] for run in runs], flush=True)
    return {
        "unit": unit(tweets),
        "way": name,
        "tried": {str(n): {str(s): f1 for s, f1 in found.items()} for n, found in tried.items()},
        "rows": rows,
    }


def unit(tweets: Tweets) -> str:
    """What is measured on what."""
    shares = tweets.test[1].bincount() / len(tweets.test[1])
    told = ", ".join(f"{s} {p:.3f}" for s, p in zip(SENTIMENTS, shares.tolist(), strict=True))
    return f"{len(tweets.test[0]):,} test tweets ({told}), {N_VALIDATION} to choose by"


def counted(make: Callable[[float], Any]) -> Way:
    """A way of scikit-learn's."""

    def fit(train: Texts, validation: Texts, setting: float, seed: int) -> Any:
        model = make(setting).fit(*train)
        return lambda texts: torch.from_numpy(model.predict(texts)).long(), {}

    return fit


def with_lora(model: ar.Transformer, seed: int) -> ar.Transformer:
    """LoRA of rank 8 in all linear layers but the head."""
    adaptation.add_lora(model, rank=8, rng=torch.Generator().manual_seed(seed))
    return model


def from_scratch(model: ar.Transformer, seed: int) -> ar.Transformer:
    """The same architecture with random weights."""
    with seeded_weights(seed):
        return ar.Transformer(model.config)


NETWORKS: dict[str, tuple[str, Callable[[ar.Transformer, int], ar.Transformer], Any]] = {
    "head": ("head alone", lambda m, _: m.requires_grad_(False), (1e-3, 3e-3, 1e-2)),
    "lora": ("LoRA, rank 8", with_lora, (1e-3, 3e-3, 1e-2)),
    "full": ("all weights", lambda m, _: m, (3e-4, 1e-3, 3e-3)),
    "scratch": ("all weights, from random ones", from_scratch, (3e-4, 1e-3, 3e-3)),
}


COUNTED: dict[str, tuple[str, Callable[[float], Any], Sequence[float]]] = {
    "words": ("words and pairs", news.word_pairs, (3.0, 10.0, 30.0)),
    "letters": ("groups of letters", news.letter_groups, (0.3, 1.0, 3.0)),
    "both": (
        "words, pairs and the two lists",
        partial(news.word_pairs, with_lists=True),
        (1.0, 3.0, 10.0),
    ),
}


def network(part: str) -> Way:
    """A way of fine-tuning."""
    _, prepare, _ = NETWORKS[part]
    tokenizer = zoo.tokenizer(MODEL)

    def rows(texts: Texts) -> tuple[Tensor, Tensor, Tensor]:
        return *adaptation.encode_texts(texts[0], tokenizer, length=LENGTH), texts[1]

    def fit(train: Texts, validation: Texts, setting: float, seed: int) -> Any:
        classifier = adaptation.Classifier(prepare(zoo.load(MODEL), seed), len(SENTIMENTS))
        is_head = classifier.is_backbone_frozen
        n_examples = (N_EXAMPLES_HEAD if is_head else N_EXAMPLES)[len(train[0])]
        config = adaptation.FineTuningConfig(
            n_examples=n_examples,
            learning_rate_head=setting if is_head else 1e-2,
            learning_rate_backbone=setting,
        )
        result = adaptation.train_classifier(
            classifier, rows(train), config=config, seed=seed, validation=rows(validation),
            validate_every=n_examples // 8, progress_bar=False,
        )  # fmt: skip
        nlls = result.validation["nll"]
        facts = {
            "trained": count_parameters(classifier),
            "n_examples": n_examples,
            "best_at": int(result.validation["n_examples"][nlls.index(min(nlls))]),
        }

        shares = train[1].bincount(minlength=len(SENTIMENTS)).clamp(min=1) / len(train[1])

        def probabilities(texts: list[str]) -> Tensor:
            encoded = adaptation.encode_texts(texts, tokenizer, length=LENGTH)
            return adaptation.class_probabilities(classifier, *encoded)

        held_out = probabilities(validation[0])
        f1s = {
            power: news.macro_f1(validation[1], (held_out / shares**power).argmax(1))
            for power in POWERS
        }
        power = max(f1s, key=lambda power: f1s[power])
        return (
            lambda texts: (probabilities(texts) / shares**power).argmax(1),
            facts | {"power": power},
        )

    return fit


def without_labels(seeds: list[int]) -> Results:
    """Lists of words, and the most frequent class."""
    tweets = Tweets.load()
    texts, labels = tweets.test
    named = {
        "two lists of words": news.word_list_sentiment(texts),
        "always neutral": torch.full_like(labels, 2),
    }
    rows = [{"way": way} | scores(labels, found) for way, found in named.items()]
    return {"unit": unit(tweets), "rows": rows}


def leaks(seeds: list[int]) -> Results:
    """What duplicates and leaks do to the score of words and pairs."""
    train, test = (real_news_as_published(split) for split in ("train", "test"))
    clean = real_news("test")
    known = {data.story_key(text) for text in train.texts}
    is_leak = torch.tensor([data.story_key(text) in known for text in test.texts])
    model = news.word_pairs().fit(train.texts, train.labels)
    named = torch.from_numpy(model.predict(test.texts)).long()
    leaked = {data.story_key(text) for text in test.texts} & known
    kept = [i for i, text in enumerate(train.texts) if data.story_key(text) not in leaked]
    unread = news.word_pairs().fit([train.texts[i] for i in kept], train.labels[kept])
    named_unread = torch.from_numpy(unread.predict(test.texts)).long()
    without_links = {" ".join(text.split("http")[0].split()) for text in train.texts}
    exact = [" ".join(text.split("http")[0].split()) in without_links for text in test.texts]
    rows = [
        {"texts": what, "n": int(chosen.sum())} | scores(test.labels[chosen], found[chosen])
        for what, chosen, found in (
            ("all, as published", torch.ones_like(is_leak), named),
            ("stories that are in the training file", is_leak, named),
            ("the same stories, left out of it", is_leak, named_unread),
            ("all others", ~is_leak, named),
        )
    ]
    return {
        "unit": "words and pairs of words, all published training tweets",
        "n_duplicates": real_news("train").n_duplicates,
        "n_leaks": clean.n_leaks,
        "n_equal_without_links": sum(exact),
        "rows": rows,
    }


def real_news_as_published(split: Any) -> data.NewsDataset:
    """The files as they are."""
    real_news(split)
    return data.financial_news(split, as_published=True)


def topics(seeds: list[int]) -> Results:
    """Rules, clusters and a classifier, against the topics that the order of the rows gives."""
    train, test = real_news("train"), real_news("test")
    n = len(set(train.topics))
    rows: list[dict[str, Any]] = [
        {"way": "keywords", **news.agreement(test.topics, news.keyword_topics(test.texts))}
    ]
    for method in ("k-means", "NMF"):
        found = [news.clusters(test.texts, n, method=method, seed=seed) for seed in seeds]
        each = [news.agreement(test.topics, clusters) for clusters, _ in found]
        stable = news.agreement(*(clusters for clusters, _ in found))
        rows.append(
            {"way": method}
            | {key: statistics.mean(one[key] for one in each) for key in ("nmi", "ari")}
            | {"stability_ari": stable["ari"], "words": found[0][1]}
        )
    for n_labels in (300, len(train)):
        some = drawn((train.texts, torch.arange(len(train))), n_labels, seed=1)
        model = news.word_pairs().fit(some[0], [train.topics[i] for i in some[1]])
        named = model.predict(test.texts).tolist()
        rows.append(
            {"way": f"learned from {n_labels:,} labels", **news.agreement(test.topics, named)}
        )
    return {"unit": f"{len(test):,} test tweets, {n} topics", "rows": rows}


WINDOWS = (4, 6, 12, 24, 48)
Kind = news.Cusum | news.Ewma | news.MovingShare | news.MovingCount
STREAM_DETECTORS: dict[str, tuple[Sequence[Kind], list[float]]] = {
    "CUSUM": (
        [news.Cusum(x) for x in (0.125, 0.25, 0.5, 1.0, 2.0)],
        [0.05, 0.1, 0.2, 0.4, 0.7, *(1 + 0.5 * i for i in range(45))],
    ),
    "EWMA": (
        [news.Ewma(x) for x in (0.05, 0.1, 0.15, 0.3, 0.6)],
        [0.75 + 0.25 * i for i in range(21)],
    ),
    "share": ([news.MovingShare(h) for h in WINDOWS], [0.01 * i for i in range(4, 97)]),
    "number": ([news.MovingCount(h) for h in WINDOWS], [float(i) for i in range(2, 120)]),
}
"""Of each kind of detector five settings: reference, weight, or hours of the window."""

STREAM_NAMED_BY = ("words", "full")


def stream(seeds: list[int]) -> Results:
    """Delay at equal false alarms: detectors, and what names the tweets."""
    shares = real_news("validation").labels.bincount().double()
    per_hour = (8 * shares / shares.sum()).float()
    named = {"true labels": [1.0, 0.0, 0.0]}
    results = recorded(RESULTS)
    for row in results["list"]["rows"][:1]:
        named[row["way"]] = row["named_bearish"]
    for part in STREAM_NAMED_BY:
        if part in results:
            last = results[part]["rows"][-1]["runs"]
            columns = zip(*(run["named_bearish"] for run in last), strict=True)
            named[results[part]["way"]] = [statistics.mean(column) for column in columns]
    rows = []
    for factor in (2.0, 4.0):
        for way, shares_named in named.items():
            rates = news.Rates(per_hour, torch.tensor(shares_named))
            for name, (settings, thresholds) in STREAM_DETECTORS.items():
                for detector in settings:
                    curves = [
                        news.operating_curve(
                            detector, rates, thresholds, factor=factor, n_runs=80,
                            rng=torch.Generator().manual_seed(seed),
                        )
                        for seed in seeds
                    ]  # fmt: skip
                    rows.append(
                        {
                            "factor": factor,
                            "named_by": way,
                            "detector": name,
                            "setting": next(iter(asdict(detector).values())),
                            "at": [at_rate(curves, rate) for rate in FALSE_ALARMS_PER_DAY],
                        }
                    )
        print(f"bursts of {factor:g} times", flush=True)
    return {
        "unit": (
            f"one topic, 8 tweets an hour, bursts of 24 hours; {len(seeds)} seeds of 80 runs with "
            "30 quiet days each; of each detector the setting with the shortest delay, in brackets"
        ),
        "rows": rows,
    }


def at_rate(curves: list[list[news.OperatingPoint]], rate: float) -> dict[str, Any]:
    """Delay and bursts found at so many false alarms a day, of each seed."""
    points = [news.at_false_alarms(points, rate) for points in curves]
    return {
        "false_alarms_per_day": rate,
        "delay": [round(point.delay, 2) for point in points],
        "found": [round(point.found, 3) for point in points],
    }


def tables(results: Results) -> str:
    """All parts as Markdown."""
    lines = [
        "# What tells bad news from good, and how soon does an alarm ring?",
        "",
        "Written by `python benchmarks/apps_news.py`; not edited by hand. F1 is the mean over the",
        "classes, and over seeds. Interval: the same classifier, test tweets drawn anew.",
    ]
    for title, table in (
        ("Sentiment: macro-F1 over the number of labels", _sentiment_table),
        ("Leaks", _leaks_table),
        ("Topics", _topics_table),
        ("Hours to the alarm at one false alarm a week, and bursts found", _stream_table),
    ):
        parts, rows = table(results)
        if parts:
            name = title.split(":")[0].split(" at ")[0].lower().replace(" ", "-")
            lines += ["", f"## {title}", "", f"<!-- {name} -->", "", *rows, ""]
            lines += [f"<!-- end of {name} -->", ""]
            lines += [f"- {part}: {protocol(results[part])}" for part in parts]
    return "\n".join(lines) + "\n"


def _sentiment_table(results: Results) -> tuple[list[str], list[str]]:
    curves = [part for part in (*COUNTED, *NETWORKS) if part in results]
    if not curves:
        return [], []
    sizes = sorted({row["n_labels"] for part in curves for row in results[part]["rows"]})
    rows = [f"| way | {' | '.join(f'{n:,}' for n in sizes)} | accuracy, all |"]
    rows += ["|:--|" + "--:|" * (len(sizes) + 1)]
    for part in curves:
        by_size = {row["n_labels"]: row["runs"] for row in results[part]["rows"]}
        cells = [_mean(by_size[n], "f1") if n in by_size else "–" for n in sizes]
        cells += [_mean(by_size[sizes[-1]], "accuracy")]
        rows.append(f"| {results[part]['way']} | {' | '.join(cells)} |")
    for row in results.get("list", {"rows": []})["rows"]:
        cells = [f"{row['f1']:.3f}"] + ["”"] * (len(sizes) - 1) + [f"{row['accuracy']:.3f}"]
        rows.append(f"| {row['way']}, no label | {' | '.join(cells)} |")
    return curves + ["list"] * ("list" in results), rows


def _leaks_table(results: Results) -> tuple[list[str], list[str]]:
    if "leaks" not in results:
        return [], []
    rows = ["| test tweets | n | accuracy | macro-F1 |", "|:--|--:|--:|--:|"]
    rows += [
        f"| {row['texts']} | {row['n']:,} | {row['accuracy']:.3f} | {row['f1']:.3f} |"
        for row in results["leaks"]["rows"]
    ]
    return ["leaks"], rows


def _topics_table(results: Results) -> tuple[list[str], list[str]]:
    if "topics" not in results:
        return [], []
    rows = ["| way | NMI | ARI | ARI of two seeds |", "|:--|--:|--:|--:|"]
    for row in results["topics"]["rows"]:
        stable = f"{row['stability_ari']:.3f}" if "stability_ari" in row else "–"
        rows.append(f"| {row['way']} | {row['nmi']:.3f} | {row['ari']:.3f} | {stable} |")
    return ["topics"], rows


def _stream_table(results: Results) -> tuple[list[str], list[str]]:
    if "stream" not in results:
        return [], []
    hours: dict[tuple[float, str], dict[str, tuple[float, str]]] = {}
    for row in results["stream"]["rows"]:
        at = row["at"][FALSE_ALARMS_PER_DAY.index(SHOWN)]
        delay, found = statistics.mean(at["delay"]), statistics.mean(at["found"])
        cell = delay, f"{delay:.1f} h, {found:.0%} ({row['setting']:g})"
        cells = hours.setdefault((row["factor"], row["named_by"]), {})
        cells[row["detector"]] = min(cell, cells.get(row["detector"], cell))
    heads = ("CUSUM (κ)", "EWMA (λ)", "share (hours)", "number (hours)")
    rows = [f"| bad news come | named by | {' | '.join(heads)} |"]
    rows += ["|--:|:--|" + "--:|" * len(STREAM_DETECTORS)]
    for (factor, named_by), best in hours.items():
        told = " | ".join(best[name][1] for name in STREAM_DETECTORS)
        rows.append(f"| {factor:g} times | {named_by} | {told} |")
    return ["stream"], rows


def _mean(runs: list[dict[str, Any]], key: str) -> str:
    return f"{statistics.mean(run[key] for run in runs):.3f}"


def _counted_part(part: str) -> Callable[[list[int]], Results]:
    name, make, penalties = COUNTED[part]
    return lambda seeds: curve(counted(make), name, penalties, SIZES, seeds, each_size=True)


def _network_part(part: str) -> Callable[[list[int]], Results]:
    name, _, rates = NETWORKS[part]
    return lambda seeds: curve(network(part), name, rates, SIZES_NETWORK, seeds)


if __name__ == "__main__":
    tune_cpu()
    run_parts(
        RESULTS,
        {
            "leaks": leaks,
            "list": without_labels,
            **{part: _counted_part(part) for part in COUNTED},
            **{part: _network_part(part) for part in NETWORKS},
            "topics": topics,
            "stream": stream,
        },
        tables,
        __doc__.splitlines()[0],
    )
