"""What answers a customer best, and how far may it be trusted?

    python benchmarks/apps_support.py
    python benchmarks/apps_support.py unknown --seeds 0 1 2

Written into ``results/apps_support.json`` and ``apps_support.md``. Bitext's 8,100 utterances in the
folder that ``AIGC_TUTORIAL_DATA`` names, and the 405 that come with the package, which other hands
wrote. Counted: few labels, all labels, wordings held out of training, and what the other hands'
messages add, by counted words. Tuned: ten labels, by the zoo's model of English, fine-tuned in four
ways, with calibration and a promise of accuracy. Unknown: a third of the intents left out in turn.
Retrieval and writing: the entries of the knowledge base. Every way chooses its setting at the first
seed with ten labels an intent, by 135 validation messages; temperature and threshold are fitted on
the other 675. Test messages choose nothing. A message counts as answered rightly if its intent was
named.
"""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from recording import Results, protocol, run_parts
from torch import Tensor

from aigc_tutorial import data, zoo
from aigc_tutorial.apps import support
from aigc_tutorial.cpu import tune_cpu

RESULTS = Path(__file__).parent / "results" / "apps_support.json"
MODEL = "english-subwords"
N_LABELS, N_LABELS_CHOSEN_BY = (1, 2, 5, 10, 20, 50), 10
N_LABELS_TAGS = 20
N_LABELS_OWN, N_LABELS_MIXED = 8, (8, 50)
PENALTIES = (10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)
RISK, DELTA = 0.05, 0.1
COUNTS_OF_WRITING = ("n", "grounded", "with_new_words", "with_new_whole_words", "copies")
COUNTED = {f"TF-IDF of {count}, logistic regression": count for count in support.COUNTINGS}
CHARACTERS, *_ = (way for way, count in COUNTED.items() if count == "characters")
COMPARED = [way for way, count in COUNTED.items() if count in ("words and pairs", "characters")]


def seeded(seed: int) -> torch.Generator:
    """Randomness of a seed."""
    return torch.Generator().manual_seed(seed)


@cache
def parts() -> dict[str, data.UtteranceDataset]:
    """The splits; validation messages in two parts, to choose by and to calibrate by."""
    found = {split: data.support_utterances(split) for split in ("train", "test")}
    if found["train"].source.kind == "embedded":
        raise SystemExit("the utterances are not here; see AIGC_TUTORIAL_DATA in the book's 5.1")
    held_out = data.support_utterances("validation")
    chosen_by = held_out.few(5, rng=seeded(0))
    rest = set(held_out) - set(chosen_by)
    calibration = held_out.where(lambda utterance: utterance in rest)
    own = data.support_sample("all")
    return found | {"choose": chosen_by, "calibrate": calibration, "own": own}


def nll(model: support.IntentModel, messages: data.UtteranceDataset) -> float:
    """Nats a message, with 10⁻⁴ for what was never seen to be possible."""
    probabilities = model.logits(messages.texts).softmax(1).clamp(min=1e-4)
    return float(F.nll_loss(probabilities.log(), messages.labels))


def tuned(
    train: data.UtteranceDataset, way: str, setting: tuple[float, int], seed: int
) -> support.TunedModel:
    """The zoo's model, or one like it, taught by a way, at a rate and for so many messages."""
    rate, n_examples = setting
    model, tokenizer = zoo.load(MODEL), zoo.tokenizer(MODEL)
    return support.tune(
        model,
        tokenizer,
        train,
        parts()["choose"],
        way=replace(support.WAYS[way], n_examples=n_examples),
        rate=rate,
        seed=seed,
    )


Make = Callable[[data.UtteranceDataset, int], support.IntentModel]


@cache
def makers() -> dict[str, tuple[Make, float]]:
    """Every way with the setting that did best at the first seed, and that setting."""
    found: dict[str, tuple[Make, float]] = {}
    train = parts()["train"].few(N_LABELS_CHOSEN_BY, rng=seeded(0))

    def best(name: str, make: Callable[[Any, float, int], Any], settings: Any) -> None:
        tried = {setting: nll(make(train, setting, 0), parts()["choose"]) for setting in settings}
        chosen = min(tried, key=tried.__getitem__)
        print(name, {k: round(v, 3) for k, v in tried.items()}, flush=True)
        found[name] = (lambda few, seed: make(few, chosen, seed)), chosen

    for name, count in COUNTED.items():

        def counted(few: Any, penalty: float, _seed: int, count: Any = count) -> Any:
            return support.CountedWords(few, count=count, penalty=penalty)

        best(name, counted, PENALTIES)
    return found


@cache
def tuned_maker(way: str) -> tuple[Make, tuple[float, int]]:
    """A way of the language model, as :func:`makers`."""
    train = parts()["train"].few(N_LABELS_CHOSEN_BY, rng=seeded(0))
    n_examples = support.WAYS[way].n_examples
    settings = [(r, n) for r in support.WAYS[way].rates for n in (n_examples, 3 * n_examples)]
    tried = {setting: tuned(train, way, setting, 0) for setting in settings}
    chosen = min(tried, key=lambda setting: tried[setting].validation_nll)
    print(way, {s: round(model.validation_nll, 3) for s, model in tried.items()}, flush=True)

    def make(few: data.UtteranceDataset, seed: int) -> support.IntentModel:
        if seed == 0 and few.texts == train.texts:
            return tried[chosen]
        return tuned(few, way, chosen, seed)

    return make, chosen


def scores(model: support.IntentModel) -> dict[str, float]:
    """Accuracy on test messages, on those unlike any training message, and on other hands'."""
    test, own = parts()["test"], parts()["own"]
    others = test.unlike(parts()["train"])
    return {
        name: round(support.accuracy(model.logits(messages.texts), messages.labels), 4)
        for name, messages in {"test": test, "unlike": others, "own": own}.items()
    }


def collected(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """One list for each measure, with a number for each seed."""
    return {key: [row[key] for row in rows] for key in rows[0]}


def measure_counted(seeds: list[int]) -> Results:
    """Counted words: few labels, all labels, tags held out, another writer's labels."""
    train, test = parts()["train"], parts()["test"]
    rows = []
    for way, (make, setting) in makers().items():
        for n in N_LABELS:
            runs = [scores(make(train.few(n, rng=seeded(seed)), seed)) for seed in seeds]
            rows.append({"way": way, "setting": setting, "n_labels": n, **collected(runs)})
            print(rows[-1], flush=True)
        rows.append({"way": way, "setting": setting, "n_labels": "all"})
        rows[-1] |= collected([scores(make(train, 0))])
        print(rows[-1], flush=True)
    return {
        "unit": f"{len(test):,} test messages, {len(test.unlike(train))} of them unlike any "
        f"training message, and {len(parts()['own'])} of other hands",
        "rows": rows,
        "tags": [
            tags(way, makers()[way][0], seeds, n_labels)
            for way in COMPARED
            for n_labels in (N_LABELS_TAGS, "all")
        ],
        "mixed": mixed(makers()[CHARACTERS][0], seeds),
    }


def mixed(make: Make, seeds: list[int]) -> list[dict[str, Any]]:
    """Accuracy on 189 messages of other hands, with and without 216 of theirs in training."""
    train, own = parts()["train"], parts()["own"]
    rows = []
    for n_labels in (0, *N_LABELS_MIXED, "all"):
        row: dict[str, Any] = {"n_labels": n_labels, "without": [], "with": []}
        for seed in seeds:
            theirs = own.few(N_LABELS_OWN, rng=seeded(seed))
            taken = set(theirs)
            test = others_than(taken, own)
            few = train
            if isinstance(n_labels, int):
                few = train.few(max(1, n_labels), rng=seeded(seed))
            few = few if n_labels else replace(few, utterances=())
            for name, added in {"without": (), "with": theirs.utterances}.items():
                if few.utterances or added:
                    model = make(replace(few, utterances=(*few, *added)), seed)
                    right = support.accuracy(model.logits(test.texts), test.labels)
                    row[name].append(round(right, 4))
        rows.append(row)
        print(row, flush=True)
    return rows


def tags(way: str, make: Make, seeds: list[int], n_labels: Any) -> dict[str, Any]:
    """Accuracy on messages of a wording that training held out, or not, and on all others.

    The second number is the control: what the wording costs when it is not new.
    """
    row: dict[str, Any] = {"way": way, "n_labels": n_labels}
    for tag, name in data.SUPPORT_TAGS.items():
        without, test = parts()["train"].untagged(tag), parts()["test"]
        tagged, others = test.tagged(tag), test.untagged(tag)
        found: dict[str, list[float]] = {"held_out": [], "learned": [], "others": []}
        for seed in seeds if n_labels != "all" else seeds[:1]:
            models = [
                make(part if n_labels == "all" else part.few(n_labels, rng=seeded(seed)), seed)
                for part in (without, parts()["train"])
            ]
            for key, (model, messages) in {
                "held_out": (models[0], tagged),
                "learned": (models[1], tagged),
                "others": (models[0], others),
            }.items():
                right = support.accuracy(model.logits(messages.texts), messages.labels)
                found[key].append(round(right, 4))
        row[name] = {"n": len(tagged), **found}
    print(row, flush=True)
    return row


def trust(logits: dict[str, Tensor]) -> dict[str, Any]:
    """Calibration before and after, and a promise with what became of it on test messages."""
    calibrate, test = parts()["calibrate"], parts()["test"]
    temperature = support.fit_temperature(logits["calibrate"], calibrate.labels)
    found: dict[str, Any] = {"temperature": round(temperature, 3)}
    sure = {}
    for name, messages in {"calibrate": calibrate, "test": test}.items():
        for word, t in {"raw": 1.0, "scaled": temperature}.items():
            probabilities = support.temperature_scaled(logits[name], t)
            sure[name, word] = probabilities.amax(1), probabilities.argmax(1) == messages.labels
    for word in ("raw", "scaled"):
        bins = support.reliability(*sure["test", word])
        found[f"ece_{word}"] = round(bins.expected_calibration_error, 4)
        found[f"bins_{word}"] = [
            [int(n), round(float(c), 4), round(float(a), 4)]
            for n, c, a in zip(bins.n, bins.confidence, bins.accuracy, strict=True)
            if n
        ]
    # By the unscaled confidence: these messages have set the temperature.
    made = support.promise(*sure["calibrate", "raw"], risk=RISK, delta=DELTA)
    confidence, is_right = sure["test", "raw"]
    answered = confidence >= made.threshold
    found["promise"] = {
        "threshold": made.threshold if made.coverage else None,
        "coverage": round(made.coverage, 4),
        "bound": round(made.bound, 4),
        "n_answered": int(answered.sum()),
        "n_errors": int((answered & ~is_right).sum()),
    }
    # The same desk, asked by other hands: nothing was promised for them.
    own = support.temperature_scaled(logits["own"], 1.0)
    answered_own = own.amax(1) >= made.threshold
    wrong = own.argmax(1) != parts()["own"].labels
    found["promise"] |= {
        "n_answered_own": int(answered_own.sum()),
        "n_errors_own": int((answered_own & wrong).sum()),
    }
    coverage, accuracy = support.coverage_curve(confidence, is_right)
    at = [int((coverage <= c).sum().clamp(min=1)) - 1 for c in [i / 20 for i in range(1, 21)]]
    found["curve"] = [[round(float(coverage[i]), 3), round(float(accuracy[i]), 4)] for i in at]
    return found


def measure_tuned(seeds: list[int], n_labels: int = N_LABELS_CHOSEN_BY) -> Results:
    """The language model in four ways, beside counted characters and together with them."""
    counted = CHARACTERS
    ways: dict[str, tuple[Make, Any]] = {counted: makers()[counted]}
    ways |= {way: tuned_maker(way) for way in support.WAYS}
    rows: list[dict[str, Any]] = []
    kept: dict[str, list[dict[str, Tensor]]] = {}
    for way, (make, setting) in ways.items():
        runs = [make(parts()["train"].few(n_labels, rng=seeded(seed)), seed) for seed in seeds]
        kept[way] = [
            {name: model.logits(parts()[name].texts) for name in ("calibrate", "test", "own")}
            for model in runs
        ]
        rows.append({"way": way, "setting": setting, "n_labels": n_labels})
        rows[-1] |= collected(list(map(scores, runs)))
        rows[-1]["trust"] = list(map(trust, kept[way]))
        print({k: v for k, v in rows[-1].items() if k != "trust"}, flush=True)
    both = together(kept[counted], kept["all weights"])
    rows.append({"way": "characters and all weights, together", "n_labels": n_labels, **both})
    print(rows[-1], flush=True)
    return {
        "unit": f"{len(parts()['test']):,} test messages, and {len(parts()['own'])} of other hands",
        "rows": rows,
    }


def together(first: Any, second: Any) -> dict[str, list[float]]:
    """The product of two classifiers' probabilities, each at its own temperature."""
    labels = {k: parts()[k].labels for k in ("calibrate", "test", "own")}
    found: dict[str, list[float]] = {"test": [], "own": []}
    for pair in zip(first, second, strict=True):
        t = [support.fit_temperature(x["calibrate"], labels["calibrate"]) for x in pair]
        for name in found:
            both = sum((x[name] / k).log_softmax(1) for x, k in zip(pair, t, strict=True))
            assert isinstance(both, Tensor)
            found[name].append(round(support.accuracy(both, labels[name]), 4))
    return found


def nearness_of_means(train: Tensor, labels: Tensor, features: Tensor) -> Tensor:
    """The largest cosine with the mean of a class; counts have too many features for deviations."""
    means = torch.stack([train[labels == k].mean(0) for k in labels.unique()])
    return (F.normalize(features, dim=1) @ F.normalize(means, dim=1).T).amax(1)


def others_than(
    taken: set[data.Utterance], messages: data.UtteranceDataset
) -> data.UtteranceDataset:
    """All messages but those."""
    return messages.where(lambda utterance: utterance not in taken)


def by_intent(
    messages: data.UtteranceDataset, intents: set[str], *, are_in: bool
) -> data.UtteranceDataset:
    """Messages whose intent is one of those, or is none of them."""
    return messages.where(lambda utterance: (utterance.intent in intents) == are_in)


def measure_unknown(seeds: list[int]) -> Results:
    """Nine of 27 intents left out of training in turn; how well are they told from the others?"""
    rows = []
    ways: dict[str, tuple[Make, Any]] = {**makers(), "all weights": tuned_maker("all weights")}
    for way, (make, _) in ways.items():
        found: dict[str, list[float]] = {}
        for fold in seeds:
            out = set(data.SUPPORT_INTENTS[fold::3])
            few = by_intent(parts()["train"], out, are_in=False)
            few = few.few(N_LABELS_TAGS, rng=seeded(fold))
            model = make(few, fold)
            known, unknown = (
                by_intent(parts()["test"], out, are_in=are_in) for are_in in (False, True)
            )
            logits = [model.logits(messages.texts) for messages in (known, unknown)]
            pairs: dict[str, Iterable[Tensor]] = {
                "largest probability": map(support.largest_probability, logits),
                "energy": map(support.energy, logits),
            }
            assert isinstance(model, support.CountedWords | support.TunedModel)
            features = model.features
            score = nearness_of_means
            if isinstance(model, support.TunedModel):
                score = support.nearness
            learned = features(few.texts)
            pairs["nearness"] = [
                score(learned, few.labels, features(m.texts)) for m in (known, unknown)
            ]
            for name, pair in pairs.items():
                found.setdefault(name, []).append(round(support.auroc(*pair), 4))
        rows.append({"way": way, **found})
        print(rows[-1], flush=True)
    return {
        "unit": f"AUROC over {len(parts()['test']):,} test messages, nine intents left out in each "
        f"of {len(seeds)} turns, {N_LABELS_TAGS} labels for each of the others",
        "rows": rows,
    }


def measure_retrieval(seeds: list[int]) -> Results:
    """Entries for messages of both languages, by words and by vectors."""
    entries = support.knowledge_base()
    texts = [entry.text for entry in entries]
    model, tokenizer = zoo.load(MODEL), zoo.tokenizer(MODEL)
    few = parts()["train"].few(N_LABELS_CHOSEN_BY, rng=seeded(seeds[0]))
    learned = tuned_maker("all weights")[0](few, seeds[0])
    assert isinstance(learned, support.TunedModel)
    characters = support.counted_embedding(texts)
    lsa = support.latent_semantic_embedding(texts)
    more = support.latent_semantic_embedding(texts + parts()["train"].texts)
    raw = support.language_model_embedding(model, tokenizer)
    taught = support.language_model_embedding(learned.classifier, tokenizer)

    ways: dict[str, support.Index] = {
        "BM25": support.BM25Index(texts),
        "TF-IDF of characters": support.VectorIndex(texts, characters, is_centred=False),
        "LSA of the entries": support.VectorIndex(texts, lsa),
        "LSA of entries and messages": support.VectorIndex(texts, more),
        "language model's features": support.VectorIndex(texts, raw),
        "features tuned to name intents": support.VectorIndex(texts, taught),
    }
    chinese = support.knowledge_base("zh")
    chinese_texts = [entry.text for entry in chinese]
    rows = []
    for name, index in ways.items():
        for messages in ("test", "own"):
            rows.append(ranked(name, messages, index, parts()[messages], entries))
    sample = data.support_sample("all", language="zh")
    cuts: dict[str, Callable[[str], list[str]]] = {
        "BM25": support.terms,
        "BM25, cut at spaces": str.split,
    }
    for name, terms in cuts.items():
        index = support.BM25Index(chinese_texts, terms=terms)
        rows.append(ranked(name, "Chinese", index, sample, chinese))
    return {"unit": "messages; an entry of a message's intent is a right one", "rows": rows}


def ranked(
    way: str, name: str, index: support.Index, messages: data.UtteranceDataset, entries: Any
) -> dict[str, Any]:
    """One row of the table of retrieval."""
    is_right = torch.tensor([[e.intent == u.intent for e in entries] for u in messages])
    quality = support.retrieval_quality(index.scores(messages.texts), is_right)
    row = {"way": way, "messages": name, "n": quality.n_queries}
    for key in ("recall_at_1", "recall_at_3", "mrr"):
        row[key] = round(getattr(quality, key), 4)
    print(row, flush=True)
    return row


def measure_writing(seeds: list[int]) -> Results:
    """The language model as a chooser of sentences, and as an author, free and within words."""
    model, tokenizer = zoo.load(MODEL), zoo.tokenizer(MODEL)
    entries = {entry.topic: entry for entry in support.knowledge_base()}
    questions = support.detail_questions()
    raw = support.language_model_embedding(model, tokenizer)
    n_right = dict.fromkeys(
        (
            "first sentence",
            "second sentence",
            "third sentence",
            "BM25",
            "language model, information",
            "features",
        ),
        0,
    )
    for question in questions:
        of = list(entries[question.topic].sentences)
        by_way = {
            "first sentence": torch.tensor([1.0, 0.0, 0.0]),
            "second sentence": torch.tensor([0.0, 1.0, 0.0]),
            "third sentence": torch.tensor([0.0, 0.0, 1.0]),
            "BM25": support.BM25Index(of).scores([question.text])[0],
            "language model, information": support.sentence_scores(
                model, tokenizer, question.text, of
            ),
            "features": support.VectorIndex(of, raw).scores([question.text])[0],
        }
        for way, score in by_way.items():
            n_right[way] += int(score.argmax()) == question.sentence
    print(n_right, flush=True)
    written: dict[str, list[dict[str, int]]] = {"free": [], "within words": []}
    examples: dict[str, list[str]] = {"free": [], "within words": []}
    for seed in seeds:
        for way, made in written.items():
            rng, n = seeded(seed), dict.fromkeys(COUNTS_OF_WRITING, 0)
            for entry in entries.values():
                fence = support.WordFence(tokenizer, entry.text) if way != "free" else None
                prompt = f"Question: {entry.title}\nAnswer:"
                text = support.write(model, tokenizer, prompt, n_tokens=30, rng=rng, fence=fence)
                checked = support.check_grounding(text, entry.text)
                n["n"] += 1
                n["grounded"] += checked.is_grounded
                n["with_new_words"] += bool(checked.words or checked.numbers)
                whole = text if text.endswith((".", "!", "?")) else text.rpartition(" ")[0]
                checked = support.check_grounding(whole, entry.text)
                n["with_new_whole_words"] += bool(checked.words or checked.numbers)
                n["copies"] += text in entry.sentences
                if len(examples[way]) < 3:
                    examples[way].append(text)
            made.append(n)
            print(way, n, flush=True)
    return {
        "unit": f"{len(questions)} questions for one of three sentences; {len(entries)} texts a "
        "seed",
        "n_questions": len(questions),
        "chosen": n_right,
        "written": written,
        "examples": examples,
    }


def spread(values: list[float]) -> str:
    """Mean, and each where there are several."""
    each = f" ({', '.join(f'{value:.3f}' for value in values)})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{each}"


def table(head: str, rows: list[list[Any]]) -> list[str]:
    """Lines of Markdown; what follows the first column stands to the right."""
    columns = head.split(" | ")
    lines = [f"| {head} |", f"|:--|{'--:|' * (len(columns) - 1)}"]
    return [*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows), ""]


def counted_tables(result: Results) -> list[str]:
    """Accuracy over the number of labels, and on wordings that were held out."""
    numbers = [*N_LABELS, "all"]
    rows: list[list[Any]] = []
    for key, messages in (("test", "test"), ("own", "other hands'")):
        for way in COUNTED:
            by_n = {row["n_labels"]: row[key] for row in result["rows"] if row["way"] == way}
            rows.append([way, messages, *(f"{statistics.mean(by_n[n]):.3f}" for n in numbers)])
    lines = table("way | messages | " + " | ".join(map(str, numbers)), rows)
    n_tagged = [f"{result['tags'][0][name]['n']} {name}" for name in data.SUPPORT_TAGS.values()]
    lines += [
        f"Accuracy on {', '.join(n_tagged)} test messages: that wording was held out of training, "
        "or not; and on all others where it was held out.",
        "",
    ]
    rows = []
    for row in result["tags"]:
        pairs = [
            [statistics.mean(row[name][key]) for key in ("held_out", "learned", "others")]
            for name in data.SUPPORT_TAGS.values()
        ]
        rows.append(
            [row["way"], row["n_labels"], *(", ".join(f"{x:.3f}" for x in x3) for x3 in pairs)]
        )
    lines += table("way | labels | " + " | ".join(data.SUPPORT_TAGS.values()), rows)
    lines += [
        "Characters, on 189 messages of other hands, with and without the other 216 in training; "
        "each seed draws them anew.",
        "",
    ]
    rows = [
        [row["n_labels"], *(spread(row[key]) if row[key] else "–" for key in ("without", "with"))]
        for row in result["mixed"]
    ]
    return lines + table("labels of Bitext's | of these alone | and 216 of theirs", rows)


def tuned_tables(result: Results) -> list[str]:
    """Accuracy, calibration and promise of each way with ten labels."""
    rows: list[list[Any]] = []
    for row in result["rows"]:
        setting = row.get("setting", "–")
        if isinstance(setting, list | tuple):
            setting = f"{setting[0]:g}, {setting[1]:,} messages"
        cells = [row["way"], setting, spread(row["test"]), spread(row["own"])]
        trusted = row.get("trust", [])
        for key in ("ece_raw", "ece_scaled"):
            cells.append(f"{statistics.mean(t[key] for t in trusted):.3f}" if trusted else "–")
        for answered, wrong in (("n_answered", "n_errors"), ("n_answered_own", "n_errors_own")):
            promises = [t["promise"] for t in trusted]
            cells.append(", ".join(f"{p[wrong]} of {p[answered]}" for p in promises) or "–")
        rows.append(cells)
    return table(
        "way | setting | test | other hands' | calibration error | scaled | wrong of the answered "
        "| the same, other hands'",
        rows,
    )


def written_table(result: Results) -> list[str]:
    """What the language model chose and wrote."""
    n, (free, fenced) = result["n_questions"], result["written"].values()
    lines = table(
        "sentence chosen by | right",
        [[way, f"{k} of {n}"] for way, k in result["chosen"].items()],
    )
    rows = []
    for way, made in {"freely": free, "within words": fenced}.items():
        total = {key: sum(m[key] for m in made) for key in made[0]}
        rows.append([way, *(total[key] for key in COUNTS_OF_WRITING if key != "grounded")])
    head = (
        "written | texts | with words or numbers from nowhere | not counting a word cut at the end"
    )
    return lines + table(f"{head} | copies", rows)


def tables(results: Results) -> str:
    """All parts as Markdown, in the order of the page."""
    lines = [
        "# What answers a customer best, and how far may it be trusted?",
        "",
        "Written by `python benchmarks/apps_support.py`; not edited by hand. Accuracies are means",
        "over the seeds, each seed in brackets. Labels are counted for each of the 27 intents.",
    ]
    for part in ("counted", "tuned", "unknown", "retrieval", "writing"):
        if part not in results:
            continue
        result = results[part]
        lines += ["", f"## {part.capitalize()}", "", protocol(result), ""]
        if part == "counted":
            lines += counted_tables(result)
        if part == "tuned":
            lines += tuned_tables(result)
        if part == "unknown":
            keys = ("largest probability", "energy", "nearness")
            rows = [
                [row["way"], *(spread(row[key]) if key in row else "–" for key in keys)]
                for row in result["rows"]
            ]
            lines += table("way | largest probability | energy | nearness of features", rows)
        if part == "retrieval":
            keys = ("recall_at_1", "recall_at_3", "mrr")
            rows = [
                [r["way"], r["messages"], r["n"], *(f"{r[key]:.3f}" for key in keys)]
                for r in result["rows"]
            ]
            head = "way | messages | how many | first is right | among first three"
            lines += table(f"{head} | mean of 1 / rank", rows)
        if part == "writing":
            lines += written_table(result)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    tune_cpu()
    run_parts(
        RESULTS,
        {
            "counted": measure_counted,
            "tuned": measure_tuned,
            "unknown": measure_unknown,
            "retrieval": measure_retrieval,
            "writing": measure_writing,
        },
        tables,
        __doc__.splitlines()[0],
    )
