"""Which films next? Behaviour, texts and both on MovieLens, by protocols that hide the future.

    python benchmarks/apps_recommend.py
    python benchmarks/apps_recommend.py protocols behaviour texts new_films explanations loop

Written into ``results/apps_recommend.json`` and ``apps_recommend.md``. Needs
``movielens/ml-latest-small.zip`` in the folder that ``AIGC_TUTORIAL_DATA`` names, or a network.
A film is relevant to a person who gives it four stars or more; what a person has rated before is
left out of the list; all films are candidates. Settings are chosen on each person's fifth before
the last, by NDCG@10 of what was learned from the ratings before that; then all that came before
the last fifth is learned from, and the last fifth is looked at once.
"""

import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from recording import Results, protocol, recorded, run_parts
from torch import Tensor

from aigc_tutorial import adaptation, ar, zoo
from aigc_tutorial.apps import recommend
from aigc_tutorial.apps.recommend import Split, Task
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.data import MovieRatings, movie_ratings
from aigc_tutorial.nn import count_parameters, seeded_weights

RESULTS = Path(__file__).parent / "results" / "apps_recommend.json"
MODEL, LENGTH, N_FEATURES = "english-subwords", 24, 192
N_FILMS_HEAD, N_FILMS_BACKBONE = 40_000, 6_000
HEAD_RATES = (3e-3, 1e-2)
EASE, TFIDF, GENRES = "EASE", "TF-IDF, head", "genres, head"
RANDOM = "random numbers for a text, head"
WAYS = ("all weights", "LoRA, rank 8", "all weights, from random ones")
RATES = {WAYS[0]: (1e-4, 3e-4), WAYS[1]: (1e-3, 3e-3), WAYS[2]: (3e-4, 1e-3)}

Method = Callable[[MovieRatings, Tensor, Tensor], Tensor]


def lately(share: float) -> Method:
    """Popularity in that last share of the ratings."""
    return lambda ratings, learned, seen: recommend.popular_lately(ratings, learned, share)


def neighbours(k: int) -> Method:
    """Item–kNN with so many neighbours."""
    return lambda ratings, learned, seen: recommend.item_knn(seen, n_neighbours=k)


def factors(rank: int) -> Method:
    """PureSVD with so many factors."""
    return lambda ratings, learned, seen: recommend.pure_svd(seen, rank=rank)


def linear(penalty: float) -> Method:
    """EASE with that penalty."""
    return lambda ratings, learned, seen: recommend.ease(seen, penalty=penalty)


BEHAVIOUR: dict[str, dict[Any, Method]] = {
    "by lot": {"–": lambda r, m, seen: recommend.random_scores(seen, rng=seeded(0))},
    "popular": {"–": lambda r, m, seen: recommend.popular(seen)},
    "popular lately": {share: lately(share) for share in (0.1, 0.2, 0.4)},
    "item–kNN": {k: neighbours(k) for k in (50, 100, 200)},
    "PureSVD": {rank: factors(rank) for rank in (8, 16, 32)},
    EASE: {penalty: linear(penalty) for penalty in (100, 200, 300, 500, 1_000)},
}
FIXED = {
    "by lot": "–",
    "popular": "–",
    "popular lately": 0.1,
    "item–kNN": 100,
    "PureSVD": 16,
    EASE: 500,
}


def seeded(seed: int) -> torch.Generator:
    """A generator of that seed."""
    return torch.Generator().manual_seed(seed)


@cache
def data() -> MovieRatings:
    """MovieLens, and nothing that stands in for it."""
    ratings = movie_ratings()
    if ratings.is_simulated:
        raise SystemExit("AIGC_TUTORIAL_DATA names no folder that holds movielens; see above")
    return ratings


def main_split(seed: int = 0) -> Split:
    """Each person's last fifth; the seed orders ratings of one second."""
    return recommend.by_each_persons_time(data(), rng=seeded(seed))


def for_choice(split: Split) -> Task:
    """Validation data to choose by."""
    return recommend.task(data(), split.train, split.validation)


def for_test(split: Split, allowed: Tensor | None = None) -> Task:
    """Test data, all before them learned."""
    return recommend.task(data(), split.learned, split.test, allowed=allowed)


def numbers(scores: Tensor, task: Task) -> dict[str, Any]:
    """All measurements of one run, and the NDCG of each person."""
    measured = recommend.evaluate(scores, task)
    return {
        "ndcg": round(float(measured.ndcg.mean()), 4),
        "standard_error": round(measured.standard_error, 4),
        "recall": round(float(measured.recall.mean()), 4),
        "auc": round(float(measured.auc.mean()), 4),
        "coverage": round(measured.coverage, 4),
        "novelty": round(measured.novelty, 2),
        "people": [round(x, 4) for x in measured.ndcg.tolist()],
    }


def difference(row: dict[str, Any], other: dict[str, Any]) -> list[float]:
    """Mean difference to the other and its 95 % interval, over the same people."""
    people = (torch.tensor(x["people"]) for x in (row, other))
    return [round(x, 4) for x in recommend.bootstrap_difference(*people, rng=seeded(0))]


def protocols(seeds: list[int]) -> Results:
    """The same methods, with the same settings, on four ways to part the ratings."""
    ratings = data()
    splits = {
        "each person's last fifth": lambda s: recommend.by_each_persons_time(
            ratings, rng=seeded(s)
        ),
        "each person's last rating": lambda s: recommend.by_each_persons_time(
            ratings, n_last=1, rng=seeded(s)
        ),
        "one moment for all": lambda s: recommend.by_one_moment(ratings),
        "by lot": lambda s: recommend.by_lot(ratings, rng=seeded(s)),
    }
    rows = []
    for name, split_by in splits.items():
        for seed in seeds if name != "one moment for all" else seeds[:1]:
            split = split_by(seed)
            task = for_test(split)
            for method, setting in FIXED.items():
                scores = BEHAVIOUR[method][setting](ratings, split.learned, task.seen)
                row = numbers(scores, task)
                n = len(row.pop("people"))
                rows.append({"split": name, "seed": seed, "method": method, "people": n} | row)
        print(rows[-1], flush=True)
    return {
        "unit": "NDCG@10, settings fixed beforehand; the seed breaks ties in time",
        "rows": rows,
    }


def behaviour(seeds: list[int]) -> Results:
    """Methods that read no text, settings chosen on validation data."""
    ratings, split = data(), main_split()
    choice, test = for_choice(split), for_test(split)
    rows = []
    for name, settings in BEHAVIOUR.items():
        tried = {
            setting: numbers(method(ratings, split.train, choice.seen), choice)["ndcg"]
            for setting, method in settings.items()
        }
        best = max(tried, key=lambda setting: tried[setting])
        row = numbers(settings[best](ratings, split.learned, test.seen), test)
        rows.append({"method": name, "setting": best, "tried": tried} | row)
        print(name, best, row["ndcg"], flush=True)
    ease = next(row for row in rows if row["method"] == EASE)
    for row in rows:
        row["against_ease"] = difference(row, ease)
    for row in rows:
        row["n_people"] = len(row["people"])
        if row["method"] != EASE:
            del row["people"]
    return {"unit": f"{ease['n_people']} people, each one's last fifth", "rows": rows}


@cache
def texts(split_name: str) -> tuple[list[str], Tensor, Tensor]:
    """Texts with the tags that may be known, and their tokens."""
    split = main_split()
    learned = {"train": split.train, "learned": split.learned, "none": None}[split_name]
    lines = recommend.film_texts(data(), learned)
    tokenizer = zoo.tokenizer(MODEL)
    return lines, *adaptation.encode_texts(lines, tokenizer, length=LENGTH)


def backbone(way: str, seed: int) -> ar.Transformer:
    """The zoo's model, whole, with LoRA's factors, or with random weights."""
    model = zoo.load(MODEL)
    if way == WAYS[1]:
        adaptation.add_lora(model, rank=8, rng=seeded(seed))
    if way == WAYS[2]:
        with seeded_weights(seed):
            return ar.Transformer(model.config)
    return model


@cache
def stored(kind: str, texts_of: str, seed: int) -> Tensor:
    """Features that are computed once."""
    lines, tokens, mask = texts(texts_of)
    if kind == TFIDF:
        return recommend.tfidf_features(lines, N_FEATURES)
    if kind == GENRES:
        return recommend.genre_features(data())
    if kind == RANDOM:
        return torch.randn(len(lines), N_FEATURES, generator=seeded(1_000 + seed))
    reader = adaptation.Classifier(backbone(kind, seed).requires_grad_(False), 2)
    return adaptation.text_features(reader, tokens, mask)


def train_head(
    kind: str, rate: float, seen: Tensor, texts_of: str, seed: int
) -> tuple[recommend.InterestModel, float]:
    """A head on stored features, and its seconds."""
    features = recommend.StoredFeatures(stored(kind, texts_of, seed))
    started = time.perf_counter()
    model = recommend.InterestModel(features, rng=seeded(seed))
    config = recommend.InterestConfig(n_films=N_FILMS_HEAD, learning_rate_head=rate)
    recommend.train_interest(model, seen, config=config, rng=seeded(seed + 1))
    return model, time.perf_counter() - started


def train_whole(
    way: str, rates: tuple[float, float], seen: Tensor, texts_of: str, seed: int
) -> tuple[recommend.InterestModel, float]:
    """The head first, on the features as they come; then the head and the backbone."""
    model, seconds = train_head(way, rates[0], seen, texts_of, seed)
    _, tokens, mask = texts(texts_of)
    reader = adaptation.Classifier(backbone(way, seed), 2)
    started = time.perf_counter()
    model.features = recommend.TextFeatures(reader, tokens, mask, model.features)
    config = recommend.InterestConfig(
        n_films=N_FILMS_BACKBONE,
        learning_rate_head=rates[0] / 10,
        learning_rate_backbone=rates[1],
    )
    recommend.train_interest(model, seen, config=config, rng=seeded(seed + 2))
    return model, seconds + time.perf_counter() - started


def trainers() -> dict[str, dict[Any, Callable[[Tensor, str, int], Any]]]:
    """For each way of reading, how it is trained with each of its settings."""
    heads = {GENRES: GENRES, TFIDF: TFIDF, RANDOM: RANDOM, "head alone": "head alone"}
    found: dict[str, dict[Any, Any]] = {
        name: {rate: partial(train_head, kind, rate) for rate in HEAD_RATES}
        for name, kind in heads.items()
    }
    for way in WAYS:
        found[way] = {rate: partial(train_whole, way, (HEAD_RATES[0], rate)) for rate in RATES[way]}
    return found


def interest(seeds: list[int]) -> Results:
    """Methods that read, alone and together with EASE."""
    split = main_split()
    choice, test = for_choice(split), for_test(split)
    penalty = recorded(RESULTS)["behaviour"]["rows"][-1]["setting"]
    ease = {
        "choice": recommend.ease(choice.seen, penalty=penalty),
        "test": recommend.ease(test.seen, penalty=penalty),
    }
    fame = {
        name: t.seen.sum(0).add(1).log().expand_as(t.seen)
        for name, t in (("choice", choice), ("test", test))
    }
    alone = numbers(ease["test"], test)
    rows = []

    def add(name: str, on_choice: Tensor, on_test: list[Tensor], **facts: Any) -> None:
        named = {EASE: ease["choice"], name: on_choice, "fame": fame["choice"]}
        weights, chosen = recommend.choose_weights(named, choice)
        row: dict[str, Any] = {"method": name} | facts | {"weights": weights, "chosen": chosen}
        for key in ("ndcg", "recall", "auc", "coverage", "novelty", "standard_error"):
            row[key] = []
        row["standing"] = recommend.standing_by_fame(on_test[0], test)
        row |= {"with_ease": [], "against_ease": [], "with_ease_against_ease": []}
        for scores in on_test:
            own = numbers(scores, test)
            both = recommend.combined(
                [ease["test"], scores, fame["test"]], list(weights.values()), test.candidates
            )
            together = numbers(both, test)
            for key in ("ndcg", "recall", "auc", "coverage", "novelty", "standard_error"):
                row[key].append(own[key])
            row["with_ease"].append(together["ndcg"])
            row["against_ease"].append(difference(own, alone))
            row["with_ease_against_ease"].append(difference(together, alone))
        rows.append(row)
        print({key: row[key] for key in ("method", "ndcg", "with_ease", "weights")}, flush=True)

    profile = recommend.tfidf_scores
    add(
        "TF-IDF, profile",
        profile(choice.seen, texts("train")[0]),
        [profile(test.seen, texts("learned")[0])],
    )
    for name, settings in trainers().items():
        tried, kept = {}, {}
        for setting, train in settings.items():
            model, _ = train(choice.seen, "train", seeds[0])
            kept[setting] = model.scores(choice.seen)
            tried[setting] = numbers(kept[setting], choice)["ndcg"]
            print(name, setting, tried[setting], flush=True)
        best = max(tried, key=lambda setting: tried[setting])
        fitted = [settings[best](test.seen, "learned", seed) for seed in seeds]
        add(
            name,
            kept[best],
            [model.scores(test.seen) for model, _ in fitted],
            setting=best,
            tried=tried,
            trained=count_parameters(fitted[0][0]),
            seconds=[round(seconds, 1) for _, seconds in fitted],
        )
    return {
        "unit": f"{len(alone['people'])} people, each one's last fifth; heads read "
        f"{N_FILMS_HEAD:,} films, whole models {N_FILMS_BACKBONE:,} more, with repetition",
        "ease": {key: value for key, value in alone.items() if key != "people"}
        | {"standing": recommend.standing_by_fame(ease["test"], test)},
        "rows": rows,
    }


def new_films(seeds: list[int]) -> Results:
    """A fifth of the films without any rating in what is learned: who finds the right ones?"""
    ratings, ways = data(), trainers()
    chosen = {row["method"]: row.get("setting") for row in recorded(RESULTS)["texts"]["rows"]}
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in seeds:
        split, is_new = recommend.new_films(ratings, main_split(), rng=seeded(seed))
        test = for_test(split, allowed=is_new)
        lines = texts("none")[0]  # whoever tags a film has seen it: a new film has no tags
        years = torch.tensor([float(film.year or 0) for film in ratings.films])
        scores = {
            "by lot": recommend.random_scores(test.seen, rng=seeded(seed)),
            "newest first": years.expand_as(test.seen),
            EASE: recommend.ease(test.seen, penalty=500),
            "TF-IDF, profile": recommend.tfidf_scores(test.seen, lines),
        }
        for name, settings in ways.items():
            model, _ = settings[chosen[name]](test.seen, "none", seed)
            scores[name] = model.scores(test.seen)
        for name, each in scores.items():
            found.setdefault(name, []).append(numbers(each, test))
            print(seed, name, found[name][-1]["ndcg"], found[name][-1]["auc"], flush=True)
    rows = []
    for name, runs in found.items():
        row: dict[str, Any] = {"method": name, "n_people": [len(run["people"]) for run in runs]}
        for key in ("ndcg", "auc", "recall", "standard_error"):
            row[key] = [run[key] for run in runs]
        pairs = zip(runs, found[TFIDF], strict=True)
        row["against_tfidf"] = [difference(run, other) for run, other in pairs]
        rows.append(row)
    return {
        "unit": f"a fifth of the {ratings.n_items:,} films without ratings, ranked among "
        "themselves; each person's last fifth",
        "rows": rows,
    }


def explanations(seeds: list[int]) -> Results:
    """One line for the first recommendation of each person, and what the reader catches."""
    ratings, split = data(), main_split()
    test = for_test(split)
    penalty = recorded(RESULTS)["behaviour"]["rows"][-1]["setting"]
    top = recommend.ranked(recommend.ease(test.seen, penalty=penalty), test.candidates, 1)[:, 0]
    stars = torch.zeros_like(test.seen)
    stars[ratings.users[split.learned], ratings.items[split.learned]] = ratings.stars[split.learned]
    rng, written, passed, faithful, plausible = seeded(seeds[0]), 0, 0, 0, 0
    caught = {kind: [0, 0] for kind in (*recommend.CORRUPTIONS, "the facts themselves")}
    for user, film in enumerate(top.tolist()):
        history = {i: float(stars[user, i]) for i in test.seen[user].nonzero()[:, 0].tolist()}
        facts = recommend.Facts(ratings.films, history)
        weights = recommend.ease_reasons(test.seen, film, penalty=penalty) * test.seen[user]
        strongest = weights.topk(2).indices.tolist()
        best = sorted(history, key=lambda i: (-history[i], -i))  # the stars, not the reason
        akin = [i for i in best if set(ratings.films[i].genres) & set(ratings.films[film].genres)]
        plausible_claims = recommend.claims_for(film, akin[:2], facts)
        if plausible_claims is not None:
            plausible += 1
            faithful += bool(set(akin[:2]) & set(weights.topk(10).indices.tolist()))
        claims = recommend.claims_for(film, strongest, facts) or recommend.claims_for(
            film, strongest[:1], facts
        )
        if claims is None:
            continue
        form = written % 2
        written += 1
        passed += not recommend.faults(recommend.write(claims, form), film, facts)
        for kind in recommend.CORRUPTIONS:
            sentence = recommend.corrupt(claims, kind, facts, form=form, rng=rng)
            caught[kind][0] += bool(recommend.faults(sentence, film, facts))
            caught[kind][1] += 1
        real = ratings.films[film]
        wrong = list(ratings.films)
        wrong[film] = type(real)(real.title, (real.year or 2000) + 1, real.genres)
        mistaken = recommend.Facts(wrong, history)
        sentence = recommend.write(recommend.claims_for(film, strongest[:1], mistaken) or claims)
        caught["the facts themselves"][0] += bool(recommend.faults(sentence, film, mistaken))
        caught["the facts themselves"][1] += 1
    return {
        "unit": f"the first film that EASE recommends to each of {len(top)} people",
        "people": len(top),
        "written": written,
        "passed": passed,
        "caught": caught,
        "plausible": plausible,
        "plausible_and_among_the_ten_strongest": faithful,
    }


def loop(seeds: list[int]) -> Results:
    """What a recommender that learns from its own clicks does to films of equal appeal."""
    policies: dict[str, Callable[[Tensor], Tensor]] = {
        "by lot": lambda clicks: torch.zeros_like(clicks),
        "popular": lambda clicks: clicks.sum(0).expand_as(clicks),
        EASE: lambda clicks: recommend.ease((clicks > 0).float(), penalty=20),
    }
    rows = []
    for name, policy in policies.items():
        runs = [
            recommend.run_loop(
                recommend.equal_appeal(200, 300, rng=seeded(seed)),
                policy,
                n_rounds=20,
                rng=seeded(seed + 1),
            )
            for seed in seeds
        ]
        for key in ("gini", "entropy", "clicked"):
            rows.append({"policy": name, "what": key, "runs": [getattr(run, key) for run in runs]})
    return {"unit": "200 simulated people, 300 films of equal appeal, 20 rounds", "rows": rows}


def tables(results: Results) -> str:
    """All parts as Markdown."""
    lines = [
        "# Which films next?",
        "",
        "Written by `python benchmarks/apps_recommend.py`; not edited by hand. MovieLens",
        "ml-latest-small. Relevant: four stars or more. NDCG@10, in brackets the 95 % interval of",
        "a difference, by a bootstrap over people.",
    ]
    lines += ["", "## At a glance", "", "<!-- glance -->", "", *_glance(results)]
    lines += ["", "<!-- /glance -->"]
    for part, as_table in TABLES.items():
        if part in results:
            lines += ["", f"## {part.replace('_', ' ').capitalize()}", "", f"<!-- {part} -->", ""]
            lines += [*as_table(results[part]), "", protocol(results[part])]
            lines += ["", f"<!-- /{part} -->"]
    return "\n".join(lines) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, [":--", *["--:"] * (len(head) - 1)], *rows)]


def _interval(value: list[float]) -> str:
    return f"{value[0]:+.4f} [{value[1]:+.4f}, {value[2]:+.4f}]"


def _glance(results: Results) -> list[str]:
    """The methods in the order of their NDCG, with what they need and what they can."""
    known = {row["method"]: [row["ndcg"]] for row in results["behaviour"]["rows"]}
    needs = dict.fromkeys(known, "behaviour")
    cold = {}
    if "texts" in results:
        for row in results["texts"]["rows"]:
            known[row["method"]] = row["ndcg"]
            known[f"{EASE} and {row['method']}"] = row["with_ease"]
            needs[row["method"]] = "texts"
            needs[f"{EASE} and {row['method']}"] = "both"
    if "new_films" in results:
        cold = {row["method"]: f"{mean(row['auc']):.3f}" for row in results["new_films"]["rows"]}
    order = sorted(known, key=lambda name: -mean(known[name]))
    rows = [[name, needs[name], f"{mean(known[name]):.3f}", cold.get(name, "–")] for name in order]
    head = ["method", "needs", "NDCG@10", "AUC among new films"]
    n_columns = 4 if cold else 3
    return _table(head[:n_columns], [row[:n_columns] for row in rows])


def _protocols(result: Results) -> list[str]:
    splits = list(dict.fromkeys(row["split"] for row in result["rows"]))
    rows = []
    for method in FIXED:
        cells = []
        for split in splits:
            of = [r for r in result["rows"] if (r["split"], r["method"]) == (split, method)]
            cells.append(f"{mean(r['ndcg'] for r in of):.3f} ± {of[0]['standard_error']:.3f}")
        rows.append([method, *cells])
    people = [
        "people",
        *(
            str(next(r["people"] for r in result["rows"] if r["split"] == split))
            for split in splits
        ),
    ]
    return _table(["method", *splits], [*rows, people])


def _behaviour(result: Results) -> list[str]:
    head = ["method", "setting", "NDCG@10", "± s.e.", "− EASE", "recall@10", "AUC", "coverage"]
    keys = ("recall", "auc", "coverage")
    return _table(
        [*head, "novelty, bits"],
        [
            [
                r["method"],
                str(r["setting"]),
                f"{r['ndcg']:.4f}",
                f"{r['standard_error']:.4f}",
                _interval(r["against_ease"]),
                *(f"{r[k]:.3f}" for k in keys),
                f"{r['novelty']:.2f}",
            ]
            for r in result["rows"]
        ],
    )


def _texts(result: Results) -> list[str]:
    head = [
        "way",
        "rate",
        "NDCG@10, each seed",
        "− EASE, first seed",
        "AUC",
        "with EASE",
        "with EASE − EASE, first seed",
        "weights of text and fame",
        "trained",
    ]
    return _table(
        head,
        [
            [
                r["method"],
                f"{r.get('setting', '–')}",
                ", ".join(f"{x:.4f}" for x in r["ndcg"]),
                _interval(r["against_ease"][0]),
                f"{mean(r['auc']):.3f}",
                ", ".join(f"{x:.4f}" for x in r["with_ease"]),
                _interval(r["with_ease_against_ease"][0]),
                ", ".join(f"{x:g}" for x in list(r["weights"].values())[1:]),
                f"{r['trained']:,}" if "trained" in r else "–",
            ]
            for r in result["rows"]
        ],
    )


def _new_films(result: Results) -> list[str]:
    head = ["way", "NDCG@10, each lot", "AUC, each lot", "− TF-IDF head, first lot", "people"]
    return _table(
        head,
        [
            [
                r["method"],
                ", ".join(f"{x:.4f}" for x in r["ndcg"]),
                ", ".join(f"{x:.3f}" for x in r["auc"]),
                _interval(r["against_tfidf"][0]),
                ", ".join(map(str, r["n_people"])),
            ]
            for r in result["rows"]
        ],
    )


def _explanations(result: Results) -> list[str]:
    rows = [[kind, f"{n} of {of}"] for kind, (n, of) in result["caught"].items()]
    return [
        f"{result['written']} of {result['people']} have a line, {result['passed']} pass.",
        "",
        *_table(["what is false", "caught"], rows),
    ]


def _loop(result: Results) -> list[str]:
    head = ["policy", "what", "first round", "last round", "last, each seed"]
    return _table(
        head,
        [
            [
                r["policy"],
                r["what"],
                f"{mean(run[0] for run in r['runs']):.3f}",
                f"{mean(run[-1] for run in r['runs']):.3f}",
                ", ".join(f"{run[-1]:.3f}" for run in r["runs"]),
            ]
            for r in result["rows"]
        ],
    )


TABLES = {
    "protocols": _protocols,
    "behaviour": _behaviour,
    "texts": _texts,
    "new_films": _new_films,
    "explanations": _explanations,
    "loop": _loop,
}


if __name__ == "__main__":
    tune_cpu()
    parts = {
        "protocols": protocols,
        "behaviour": behaviour,
        "texts": interest,
        "new_films": new_films,
        "explanations": explanations,
        "loop": loop,
    }
    run_parts(RESULTS, parts, tables, __doc__.splitlines()[0])
