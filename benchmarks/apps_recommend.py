"""Which films next? Behaviour, texts and both on MovieLens, by protocols that hide the future.

    python benchmarks/apps_recommend.py
    python benchmarks/apps_recommend.py protocols behaviour texts new_films explanations loop

Written into ``results/apps_recommend.json`` and ``apps_recommend.md``. Needs
``movielens/ml-latest-small.zip`` in the folder that ``AIGC_TUTORIAL_DATA`` names, or a network.
A film is relevant to a person who gives it four stars or more; what a person has rated before is
left out of the list; all films are candidates. Settings are chosen on each person's fifth before
the last, by NDCG@10 of what was learned from the ratings before that; then all that came before
the last fifth is learned from, and the last fifth is looked at once. Among the settings that are
tried the best one is no end of the row, for any method: the row is made longer until it is not.
For new films those of the heads are chosen again, by AUC among other films that are made new for
the purpose.
"""

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from statistics import mean
from typing import Any, Literal

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
N_FILMS_HEAD, N_FILMS_BACKBONE = 40_000, 4_000
RATES = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
HEAD_RATES = (1e-3, 3e-3, 1e-2)
N_FILMS_NEW = (2_000, 10_000, N_FILMS_HEAD)
EASE, TFIDF, GENRES = "EASE", "TF-IDF, head", "genres, head"
RANDOM, NOTHING = "random numbers for a text, head", "nothing"
WAYS = ("all weights", "LoRA, rank 8", "all weights, from random ones")
FIRST_RATES = {WAYS[0]: (3e-5, 1e-4), WAYS[1]: (3e-4, 1e-3), WAYS[2]: (3e-4, 1e-3)}
HEADS_OF = dict.fromkeys(WAYS[:2], "head alone") | {WAYS[2]: f"{WAYS[2]}, head alone"}

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
    "popular lately": {share: lately(share) for share in (0.1, 0.2, 0.4, 0.6, 0.8)},
    "item–kNN": {k: neighbours(k) for k in (25, 50, 100, 200, 400, 800, 1_600)},
    "PureSVD": {rank: factors(rank) for rank in (4, 8, 12, 16, 24, 32, 64)},
    EASE: {penalty: linear(penalty) for penalty in (100, 200, 300, 500, 1_000, 2_000)},
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


def tuned(
    value_of: Callable[[Any], float], options: Sequence[Any], first: Sequence[Any]
) -> tuple[Any, dict[Any, float]]:
    """The best option, both of whose neighbours were tried, and the values of what was tried."""
    tried = {option: value_of(option) for option in first}
    while True:
        best = max(tried, key=lambda option: tried[option])
        place = options.index(best)
        beside = [options[i] for i in (place - 1, place + 1) if 0 <= i < len(options)]
        if not (new := [option for option in beside if option not in tried]):
            return best, tried
        tried |= {option: value_of(option) for option in new}


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


def mean_ndcg(scores: Tensor, task: Task) -> float:
    """Of the people who can be tested."""
    return float(recommend.evaluate(scores, task).ndcg.mean())


def mean_auc(scores: Tensor, task: Task) -> float:
    """Of the people who can be tested."""
    return float(recommend.evaluate(scores, task).auc.mean())


def difference(row: dict[str, Any], other: dict[str, Any]) -> list[float]:
    """Mean difference to the other and its 95 % interval, over the same people."""
    people = (torch.tensor(x["people"]) for x in (row, other))
    return [round(x, 4) for x in recommend.bootstrap_difference(*people, rng=seeded(0))]


def protocols(seeds: list[int]) -> Results:
    """The same methods, with the same settings, on five ways to part the ratings.

    The first fifth of each person is a control: the films are as famous as those by lot or more,
    and none of them lies between films that are learned.
    """
    ratings = data()
    backwards = replace(ratings, seconds=-ratings.seconds)
    splits = {
        "each person's last fifth": lambda s: recommend.by_each_persons_time(
            ratings, rng=seeded(s)
        ),
        "each person's last rating": lambda s: recommend.by_each_persons_time(
            ratings, n_last=1, rng=seeded(s)
        ),
        "one moment for all": lambda s: recommend.by_one_moment(ratings),
        "by lot": lambda s: recommend.by_lot(ratings, rng=seeded(s)),
        "each person's first fifth": lambda s: recommend.by_each_persons_time(
            backwards, rng=seeded(s)
        ),
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
    """Methods that read no text, settings chosen on validation data; a seed breaks ties in time."""
    ratings, rows = data(), []
    for name, settings in BEHAVIOUR.items():
        row: dict[str, Any] = {"method": name}
        for seed in seeds:
            split = main_split(seed)
            choice, test = for_choice(split), for_test(split)
            if "setting" not in row:
                tried = {
                    setting: mean_ndcg(method(ratings, split.train, choice.seen), choice)
                    for setting, method in settings.items()
                }
                best = max(tried, key=lambda setting: tried[setting])
                row |= {"setting": best, "tried": tried}
            found = numbers(settings[row["setting"]](ratings, split.learned, test.seen), test)
            if "ndcg" not in row:
                row |= found | {"by_seed": []}
            row["by_seed"].append(found["ndcg"])
        rows.append(row)
        print(name, row["setting"], row["by_seed"], flush=True)
    ease = next(row for row in rows if row["method"] == EASE)
    for row in rows:
        row["against_ease"] = difference(row, ease)
    for row in rows:
        row["n_people"] = len(row["people"])
        if row["method"] != EASE:
            del row["people"]
    return {
        "unit": f"{ease['n_people']} people, each one's last fifth; the seed breaks ties in time, "
        "and all but one column is of the first",
        "rows": rows,
    }


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
    if way == HEADS_OF[WAYS[2]]:
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


@cache
def trained_head(
    kind: str, setting: tuple[float, int], seen: Tensor, texts_of: str, seed: int
) -> tuple[recommend.InterestModel, float]:
    """A head on stored features, with a rate and a budget, and its seconds."""
    rate, n_films = setting
    seed_of_features = seed if kind in (RANDOM, HEADS_OF[WAYS[2]]) else 0
    features = recommend.StoredFeatures(stored(kind, texts_of, seed_of_features))
    started = time.perf_counter()
    model = recommend.InterestModel(features, rng=seeded(seed))
    config = recommend.InterestConfig(n_films=n_films, learning_rate_head=rate)
    recommend.train_interest(model, seen, config=config, rng=seeded(seed + 1))
    return model, time.perf_counter() - started


def train_head(*arguments: Any) -> tuple[recommend.InterestModel, float]:
    """A copy of the trained head, which may be trained further."""
    return deepcopy(trained_head(*arguments))


def train_whole(
    way: str, setting: tuple[tuple[float, int], float], seen: Tensor, texts_of: str, seed: int
) -> tuple[recommend.InterestModel, float]:
    """The head first, as it is best on the features as they come; then it and the backbone."""
    of_head, rate = setting
    model, seconds = train_head(HEADS_OF[way], of_head, seen, texts_of, seed)
    _, tokens, mask = texts(texts_of)
    reader = adaptation.Classifier(backbone(HEADS_OF[way] if way == WAYS[2] else way, seed), 2)
    started = time.perf_counter()
    model.features = recommend.TextFeatures(reader, tokens, mask, model.features)
    config = recommend.InterestConfig(
        n_films=N_FILMS_BACKBONE,
        learning_rate_head=of_head[0] / 10,
        learning_rate_backbone=rate,
    )
    recommend.train_interest(model, seen, config=config, rng=seeded(seed + 2))
    return model, seconds + time.perf_counter() - started


HEADS = (GENRES, TFIDF, RANDOM, *dict.fromkeys(HEADS_OF.values()))
Value = Callable[[Tensor], float]


def choose(
    name: str, budgets: Sequence[int], value: Value, seen: Tensor, texts_of: str, seed: int
) -> tuple[Any, dict[str, float]]:
    """The setting of a way to read that is best by a value of its scores, and what was tried.

    A head's rate and budget are chosen together; whoever trains a backbone begins with the head
    that was chosen on its features, and chooses the backbone's rate.
    """
    head = HEADS_OF.get(name, name)
    found: dict[int, tuple[Any, dict[Any, float]]] = {}
    for budget in budgets:

        def value_at(rate: Any, n: int = budget) -> float:
            return value(train_head(head, (rate, n), seen, texts_of, seed)[0].scores(seen))

        found[budget] = tuned(value_at, RATES, HEAD_RATES)
    budget = max(found, key=lambda n: found[n][1][found[n][0]])
    setting = found[budget][0], budget
    tried = {f"{rate:g}, {n}": v for n, (_, of) in found.items() for rate, v in of.items()}
    if name == head:
        return setting, tried
    rate, of_rates = tuned(
        lambda rate: value(
            train_whole(name, (setting, rate), seen, texts_of, seed)[0].scores(seen)
        ),
        RATES,
        FIRST_RATES[name],
    )
    return (setting, rate), {f"{rate:g}": v for rate, v in of_rates.items()}


def trainer(name: str) -> Callable[..., tuple[recommend.InterestModel, float]]:
    """How a way to read is trained with a setting."""
    return partial(train_whole if name in WAYS else train_head, name)


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
    with_fame: dict[str, Any] = {}
    rows = []

    def add(name: str, on_choice: Tensor, on_test: list[Tensor], **facts: Any) -> None:
        named = {EASE: ease["choice"], name: on_choice, "fame": fame["choice"]}
        weights, chosen = recommend.choose_weights(named, choice)
        row: dict[str, Any] = {"method": name} | facts | {"weights": weights, "chosen": chosen}
        for key in ("ndcg", "recall", "auc", "coverage", "novelty", "standard_error"):
            row[key] = []
        row["standing"] = recommend.standing_by_fame(on_test[0], test)
        row |= {"with_ease": [], "against_ease": [], "with_ease_against_ease": []}
        row["against_ease_and_fame"] = []
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
            with_fame.setdefault("numbers", together)  # of the first, which adds no text
            row["against_ease_and_fame"].append(difference(together, with_fame["numbers"]))
        rows.append(row)
        print({key: row[key] for key in ("method", "ndcg", "with_ease", "weights")}, flush=True)

    add(NOTHING, torch.zeros_like(choice.seen), [torch.zeros_like(test.seen)])
    profile = recommend.tfidf_scores
    add(
        "TF-IDF, profile",
        profile(choice.seen, texts("train")[0]),
        [profile(test.seen, texts("learned")[0])],
    )
    for name in (*HEADS, *WAYS):
        setting, tried = choose(
            name,
            [N_FILMS_HEAD],
            lambda scores: mean_ndcg(scores, choice),
            choice.seen,
            "train",
            seeds[0],
        )
        print(name, setting, tried, flush=True)
        train = trainer(name)
        early, _ = train(setting, choice.seen, "train", seeds[0])
        fitted = [train(setting, test.seen, "learned", seed) for seed in seeds]
        add(
            name,
            early.scores(choice.seen),
            [model.scores(test.seen) for model, _ in fitted],
            setting=setting,
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


def for_new_choice(split: Split, is_new: Tensor) -> Task:
    """Other films that are made new too, to choose by: ranked among themselves, in validation."""
    parts, also_new = recommend.new_films(data(), split, rng=seeded(1_000))
    return recommend.task(data(), parts.train, split.validation, allowed=also_new & ~is_new)


def new_films(seeds: list[int]) -> Results:
    """A fifth of the films without any rating in what is learned: who finds the right ones?"""
    ratings = data()
    settings: dict[str, tuple[Any, dict[str, float]]] = {}
    rows_of_texts = recorded(RESULTS)["texts"]["rows"]
    of_backbone = {row["method"]: row["setting"][1] for row in rows_of_texts if "setting" in row}
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
        choice = for_new_choice(split, is_new)
        for name in (*HEADS, *WAYS):
            if name in WAYS:
                settings[name] = (settings[HEADS_OF[name]][0], of_backbone[name]), {}
            elif name not in settings:
                settings[name] = choose(
                    name,
                    N_FILMS_NEW,
                    partial(mean_auc, task=choice),
                    choice.seen,
                    "none",
                    seed,
                )
                print(name, *settings[name], flush=True)
            model, _ = trainer(name)(settings[name][0], test.seen, "none", seed)
            scores[name] = model.scores(test.seen)
        for name, each in scores.items():
            found.setdefault(name, []).append(numbers(each, test))
            print(seed, name, found[name][-1]["ndcg"], found[name][-1]["auc"], flush=True)
    rows = []
    for name, runs in found.items():
        row: dict[str, Any] = {"method": name, "n_people": [len(run["people"]) for run in runs]}
        for key in ("ndcg", "auc", "recall", "standard_error"):
            row[key] = [run[key] for run in runs]
        row["setting"], row["tried"] = settings.get(name, ("–", {}))
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
    reasons = recommend.ease_reasons(test.seen, top, penalty=penalty)
    stars = torch.zeros_like(test.seen)
    stars[ratings.users[split.learned], ratings.items[split.learned]] = ratings.stars[split.learned]
    rng, written, passed, faithful, plausible = seeded(seeds[0]), 0, 0, 0, 0
    caught = {kind: [0, 0] for kind in (*recommend.CORRUPTIONS, "the facts themselves")}
    for user, film in enumerate(top.tolist()):
        history = {i: float(stars[user, i]) for i in test.seen[user].nonzero()[:, 0].tolist()}
        facts = recommend.Facts(ratings.films, history)
        weights = reasons[user] * test.seen[user]
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
        "seeds": seeds[:1],
        "unit": f"the first film that EASE recommends to each of {len(top)} people",
        "people": len(top),
        "written": written,
        "passed": passed,
        "caught": caught,
        "plausible": plausible,
        "plausible_and_among_the_ten_strongest": faithful,
    }


def loop(seeds: list[int]) -> Results:
    """What a recommender that learns from its own clicks does to films of equal appeal.

    Beside each way stands the same one without a loop, taught by clicks on as many films by lot.
    """

    def ease(clicks: Tensor) -> Tensor:
        return recommend.ease((clicks > 0).float(), penalty=20)

    def one_by_lot(rng: torch.Generator) -> Callable[[Tensor], Tensor]:
        def scores(clicks: Tensor) -> Tensor:
            lot = torch.rand(clicks.shape, generator=rng).argmax(1, keepdim=True)
            return ease(clicks).scatter(1, lot, torch.inf)

        return scores

    policies: dict[str, Callable[[torch.Generator], Callable[[Tensor], Tensor]]] = {
        "by lot": lambda rng: torch.zeros_like,
        "popular": lambda rng: lambda clicks: clicks.sum(0).expand_as(clicks),
        EASE: lambda rng: ease,
        f"{EASE}, one of five by lot": one_by_lot,
    }
    rows = []
    for name, policy in policies.items():
        teachers: tuple[Literal["own", "lot"], ...] = ("own", "lot")
        for teacher in teachers[: 1 if name in ("by lot", list(policies)[-1]) else 2]:
            runs = [
                recommend.run_loop(
                    recommend.equal_appeal(200, 300, rng=seeded(seed)),
                    policy(seeded(seed + 1_000)),
                    n_rounds=20,
                    learns_from=teacher,
                    rng=seeded(seed + 1),
                )
                for seed in seeds
            ]
            row: dict[str, Any] = {"policy": name, "learns_from": teacher}
            for key in ("gini", "clicked"):
                rows.append(row | {"what": key, "runs": [getattr(run, key) for run in runs]})
            never = [int((run.shown == 0).sum()) for run in runs]
            rows.append(row | {"what": "not shown in the last round", "runs": [[n] for n in never]})
    return {
        "unit": "200 simulated people, 300 films of equal appeal, 20 rounds, 5 films shown",
        "rows": rows,
    }


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
    return f"{value[0]:+.4f} [{value[1]:+.4f}, {value[2]:+.4f}]".replace("-", "−")


def _setting(setting: Any) -> str:
    """A head's rate and budget, or the backbone's rate behind those of its head."""
    if not isinstance(setting, list | tuple):
        return str(setting)
    return ", ".join(_setting(x) for x in setting)


AT_A_GLANCE = {
    "TF-IDF, profile": "TF-IDF, nothing trained",
    TFIDF: "TF-IDF, head",
    "head alone": "language model, head alone",
    WAYS[0]: "language model, all weights",
}


def _glance(results: Results) -> list[str]:
    """Some of the methods in the order of their NDCG, with what they need and what they can."""
    known = {row["method"]: [row["ndcg"]] for row in results["behaviour"]["rows"]}
    needs = dict.fromkeys(known, "behaviour")
    cold = {}
    for row in results["texts"]["rows"] if "texts" in results else []:
        if row["method"] == NOTHING:
            known[f"{EASE} and fame"], needs[f"{EASE} and fame"] = row["with_ease"], "behaviour"
        elif name := AT_A_GLANCE.get(row["method"]):
            known[name], needs[name] = row["ndcg"], "texts"
            if row["method"] in (TFIDF, WAYS[0]):
                known[f"{EASE}, fame and {name}"] = row["with_ease"]
                needs[f"{EASE}, fame and {name}"] = "both"
    if "new_films" in results:
        for row in results["new_films"]["rows"]:
            cold[AT_A_GLANCE.get(row["method"], row["method"])] = f"{mean(row['auc']):.3f}"
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
        [*head, "novelty, bits", "NDCG@10, each seed"],
        [
            [
                r["method"],
                str(r["setting"]),
                f"{r['ndcg']:.4f}",
                f"{r['standard_error']:.4f}",
                _interval(r["against_ease"]),
                *(f"{r[k]:.3f}" for k in keys),
                f"{r['novelty']:.2f}",
                ", ".join(f"{x:.3f}" for x in r["by_seed"]),
            ]
            for r in result["rows"]
        ],
    )


def _texts(result: Results) -> list[str]:
    head = [
        "way",
        "rates, films read",
        "NDCG@10, each seed",
        "− EASE, first seed",
        "AUC",
        "with EASE and fame",
        "with EASE − EASE and fame, first seed",
        "weights of text and fame",
        "trained",
    ]
    return _table(
        head,
        [
            [
                r["method"],
                _setting(r.get("setting", "–")),
                ", ".join(f"{x:.4f}" for x in r["ndcg"]),
                _interval(r["against_ease"][0]),
                f"{mean(r['auc']):.3f}",
                ", ".join(f"{x:.4f}" for x in r["with_ease"]),
                _interval(r["against_ease_and_fame"][0]),
                ", ".join(f"{x:g}" for x in list(r["weights"].values())[1:]),
                f"{r['trained']:,}" if "trained" in r else "–",
            ]
            for r in result["rows"]
        ],
    )


def _new_films(result: Results) -> list[str]:
    head = [
        "way",
        "rates, films read",
        "NDCG@10, each lot",
        "AUC, each lot",
        "− TF-IDF head, first lot",
        "people",
    ]
    return _table(
        head,
        [
            [
                r["method"],
                _setting(r["setting"]),
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
        f"{result['written']} of {result['people']} have a line, {result['passed']} pass. For "
        f"{result['plausible']} a line can be made of the two films of the same genre with the "
        "most stars; it passes too. For "
        f"{result['plausible'] - result['plausible_and_among_the_ten_strongest']} of them neither "
        "film is among the ten that weigh most in the score.",
        "",
        *_table(["what is false", "caught"], rows),
    ]


def _loop(result: Results) -> list[str]:
    head = ["shown", "learns from clicks on", "what", "first round", "last round, each seed"]
    teachers = {"own": "what it showed", "lot": "films by lot"}
    rows = []
    for r in result["rows"]:
        digits = 0 if r["what"].startswith("not") else 3
        first = mean(run[0] for run in r["runs"]) if digits else None
        last = ", ".join(f"{run[-1]:.{digits}f}" for run in r["runs"])
        cells = [r["policy"], teachers[r["learns_from"]], r["what"]]
        rows.append([*cells, "–" if first is None else f"{first:.3f}", last])
    return _table(head, rows)


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
