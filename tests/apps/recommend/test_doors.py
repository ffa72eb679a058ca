"""What cannot be right is refused with a sentence, and odd input that can be right is right."""

import dataclasses
import inspect

import pytest
import torch

from aigc_tutorial import adaptation, ar
from aigc_tutorial.apps import recommend
from aigc_tutorial.data import Film, movie_sample
from aigc_tutorial.nn import seeded_weights

RATINGS = movie_sample(30)
SEEN = (torch.rand(9, 7, generator=torch.Generator().manual_seed(0)) < 0.5).float()
NOTHING = torch.zeros(len(RATINGS), dtype=torch.bool)
EVERYTHING = ~NOTHING
FACTS = recommend.Facts(
    (Film("First", 1990, ("Drama",)), Film("It is “so”", 1991, ("Drama",))), {0: 5.0}
)
CLAIMS = recommend.Claims("Second", 1991, ("Drama",), (("First", 5.0),))


def unchecked(function):
    """As where no types are checked, which the tests do before the doors are reached."""
    return inspect.unwrap(function)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def a_task(n_allowed=7):
    relevant = torch.zeros(9, 7, dtype=torch.bool)
    relevant[:, :3] = True
    return recommend.Task(SEEN, relevant & (SEEN == 0), torch.arange(7) < n_allowed)


NOBODY = dataclasses.replace(a_task(), relevant=torch.zeros(9, 7, dtype=torch.bool))


def run_loop(policy=torch.zeros_like, appeal=0.5, **settings):
    appeal = torch.full((4, 6), appeal)
    run = unchecked(recommend.run_loop)
    return run(appeal, policy, n_rounds=2, rng=seeded(), **settings)


def reasons(seen, *films):
    return recommend.ease_reasons(seen, torch.tensor(films), penalty=9)


def trained(seen, n_films=40, block_size=7):
    model = recommend.InterestModel(recommend.StoredFeatures(torch.randn(7, 3)), rng=seeded())
    config = recommend.InterestConfig(n_films=n_films, block_size=block_size)
    recommend.train_interest(model, seen, config=config, rng=seeded())
    return model


REFUSED = {
    "a penalty of 0": (lambda: recommend.ease(SEEN, penalty=0), "penalty must be positive"),
    "a negative penalty": (lambda: recommend.ease_weights(SEEN, penalty=-1.0), "penalty must be"),
    "no number for a penalty": (lambda: recommend.ease(SEEN, penalty=torch.nan), "penalty must be"),
    "stars for what was seen": (lambda: recommend.ease(5 * SEEN, penalty=9), "of counts or stars"),
    "NaN for what was seen": (lambda: recommend.item_knn(SEEN * torch.nan, n_neighbours=3), "seen"),
    "nobody": (lambda: recommend.pure_svd(SEEN[:0], rank=1), "a row a person"),
    "a full rank": (lambda: recommend.pure_svd(SEEN, rank=7), "nothing is left out from 7 on"),
    "a film that is not there": (lambda: reasons(SEEN, 3, 7), "from 0 to 6, got 3 to 7"),
    "a last film from behind": (lambda: reasons(SEEN, -1), "from 0 to 6"),
    "no number of neighbours": (lambda: recommend.item_knn_for_each(SEEN, ()), "give one or more"),
    "popular when nothing is known": (
        lambda: recommend.popular_lately(RATINGS, NOTHING),
        "nothing can be popular",
    ),
    "a share above 1": (lambda: recommend.popular_lately(RATINGS, EVERYTHING, 1.5), "at most 1"),
    "a part of another length": (
        lambda: unchecked(recommend.task)(RATINGS, EVERYTHING[1:], EVERYTHING),
        "learned must hold a truth value",
    ),
    "numbers for a part": (
        lambda: unchecked(recommend.task)(RATINGS, EVERYTHING, EVERYTHING.long()),
        "tested must hold a truth value",
    ),
    "no film allowed": (
        lambda: recommend.task(RATINGS, EVERYTHING, EVERYTHING, allowed=torch.zeros(142).bool()),
        "True for one or more",
    ),
    "more than half to test on": (
        lambda: recommend.by_each_persons_time(RATINGS, 0.6, rng=seeded()),
        "at most 0.5",
    ),
    "the last none": (
        lambda: recommend.by_each_persons_time(RATINGS, n_last=0, rng=seeded()),
        "n_last must be at least 1",
    ),
    "no share": (lambda: recommend.by_one_moment(RATINGS, torch.nan), "share must be above 0"),
    "a negative share": (lambda: recommend.by_lot(RATINGS, -0.2, rng=seeded()), "share must be"),
    "no new film": (
        lambda: recommend.new_films(
            RATINGS, recommend.by_lot(RATINGS, rng=seeded()), 0.001, rng=seeded()
        ),
        "would make 0 new",
    ),
    "a list longer than what is left": (
        lambda: recommend.evaluate(SEEN, a_task(), k=7),
        "take a smaller k",
    ),
    "scores of other films": (lambda: recommend.evaluate(SEEN[:, :6], a_task(), k=1), "shape of"),
    "an infinite score": (lambda: recommend.evaluate(SEEN / 0, a_task(), k=1), "or infinite"),
    "differences of one person": (
        lambda: recommend.bootstrap_difference(torch.ones(1), torch.ones(1), rng=seeded()),
        "two or more",
    ),
    "differences that are NaN": (
        lambda: recommend.bootstrap_difference(torch.ones(3) / 0, torch.ones(3), rng=seeded()),
        "NaN or infinite",
    ),
    "a level of 95": (
        lambda: recommend.bootstrap_difference(SEEN[0], SEEN[1], level=95, rng=seeded()),
        "between 0 and 1",
    ),
    "edges that fall": (lambda: recommend.standing_by_fame(SEEN, a_task(), (5, 1)), "must rise"),
    "where nobody will like anything": (
        lambda: recommend.standing_by_fame(SEEN, NOBODY),
        "nobody can be tested",
    ),
    "weights chosen on nobody": (
        lambda: recommend.choose_weights({"a": SEEN, "b": SEEN}, NOBODY, k=1),
        "nobody can be tested",
    ),
    "no weights to choose from": (
        lambda: recommend.choose_weights({"a": SEEN, "b": SEEN}, a_task(), tried=(), k=1),
        "nothing to choose from",
    ),
    "a score without a weight": (
        lambda: recommend.combined([SEEN, SEEN], [1.0], a_task().candidates),
        "every score needs a weight",
    ),
    "a text for all": (lambda: recommend.tfidf_scores(SEEN, "seven x"), "got one text alone"),
    "a text too few": (lambda: recommend.tfidf_scores(SEEN, ["one"] * 6), "6 texts and 7 films"),
    "texts without a word": (lambda: recommend.tfidf_features(["…", " "], 2), "no text holds"),
    "one text": (lambda: recommend.tfidf_features(["one"], 2), "no directions"),
    "minus one tag": (lambda: recommend.film_texts(RATINGS, n_tags=-1), "n_tags must be"),
    "no genre": (
        lambda: recommend.genre_features(
            dataclasses.replace(RATINGS, films=(Film("x", None, ()),) * 142)
        ),
        "no film has a genre",
    ),
    "NaN for features": (lambda: recommend.StoredFeatures(torch.ones(3, 2) / 0), "NaN or infinite"),
    "no features": (lambda: recommend.StoredFeatures(torch.ones(3, 0)), "a column a feature"),
    "scores of fewer films than the model knows": (
        lambda: trained(SEEN).scores(SEEN[:, :6]),
        "6 columns, and there are 7 films",
    ),
    "people who have seen one film each": (lambda: trained(torch.eye(7)), "nobody has"),
    "blocks in which nobody has seen two films": (
        lambda: trained(torch.block_diag(torch.ones(1, 2), torch.eye(5)), 2, 2),
        "take a larger block_size",
    ),
    "a misspelt corruption": (
        lambda: unchecked(recommend.corrupt)(CLAIMS, "years", FACTS, rng=seeded()),
        "kind must be one of",
    ),
    "a third form": (lambda: recommend.write(CLAIMS, 2), "form must be 0 or 1"),
    "a title that ends within": (
        lambda: recommend.write(dataclasses.replace(CLAIMS, title="It is “so”")),
        "with which titles end",
    ),
    "a reason that was not seen": (
        lambda: recommend.claims_for(0, [1], FACTS),
        "not in the history",
    ),
    "negative counts": (lambda: recommend.gini(torch.tensor([3, -1])), "from 0 on"),
    "the entropy of nothing": (lambda: recommend.entropy(torch.zeros(3)), "all counts are 0"),
    "more shown than there is": (lambda: run_loop(n_shown=7), "only 6 films"),
    "an appeal above 1": (lambda: run_loop(appeal=1.5), "probabilities"),
    "a misspelt teacher": (lambda: run_loop(learns_from="lots"), '"own" or "lot"'),
    "a policy of NaN": (lambda: run_loop(lambda clicks: clicks * torch.nan), "with NaN in it"),
    "a policy for all at once": (lambda: run_loop(lambda clicks: clicks.sum(0)), "the shape"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, sentence = REFUSED[name]
    with pytest.raises(ValueError, match=sentence):
        call()


def test_somebody_without_candidates_does_not_spoil_the_scores_of_others():
    task = a_task()
    seen = SEEN.clone()
    seen[4] = 1
    task = dataclasses.replace(task, seen=seen)
    found = recommend.standardised(torch.rand(9, 7, generator=seeded()), task.candidates)
    assert found.isfinite().all()
    both = recommend.combined([found, found], [1.0, 0.5], task.candidates)
    assert len(recommend.evaluate(both, task, k=1).ndcg) == int(task.tested.sum())


def test_a_block_in_which_nobody_has_seen_two_films_teaches_nothing_and_spoils_nothing():
    seen = torch.block_diag(torch.ones(1, 2), torch.eye(5))  # two of seven belong together
    model = trained(seen, n_films=400, block_size=2)
    assert all(p.isfinite().all() for p in model.parameters())


def test_a_feature_that_is_the_same_for_all_films_is_0_and_not_noise():
    matrix = torch.stack([torch.full((1_000,), 1234.567), torch.randn(1_000)], dim=1)
    found = recommend.StoredFeatures(matrix)(torch.arange(1_000))
    assert found[:, 0].abs().max() < 1e-2
    assert float(found[:, 1].std()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_features_of_any_precision_are_taken(dtype):
    stored = recommend.StoredFeatures(torch.eye(3, dtype=dtype))
    scores = recommend.InterestModel(stored, rng=seeded()).scores(torch.ones(2, 3))
    assert scores.dtype == torch.float32


def test_stored_features_of_another_model_are_refused():
    config = ar.TransformerConfig(vocab_size=9, context=8, width=16, n_layers=1, n_heads=2)
    with seeded_weights(0):
        reader = adaptation.Classifier(ar.Transformer(config), 2)
    tokens = torch.zeros(7, 4, dtype=torch.int64)
    mask = torch.ones_like(tokens, dtype=torch.bool)
    for shape in ((7, 15), (6, 16)):
        stored = recommend.StoredFeatures(torch.randn(shape, generator=seeded()))
        with pytest.raises(ValueError, match="7 texts, 16 features each"):
            recommend.TextFeatures(reader, tokens, mask, stored)


def test_a_person_without_a_history_gets_the_offset_alone():
    model = recommend.InterestModel(
        recommend.StoredFeatures(torch.randn(7, 3, generator=seeded())), rng=seeded()
    )
    assert torch.equal(model.scores(torch.zeros(2, 7)), torch.zeros(2, 7))


def test_who_likes_every_candidate_has_no_auc():
    relevant = torch.tensor([[True, True], [True, False]])
    candidates = torch.ones(2, 2, dtype=torch.bool)
    found = recommend.auc(torch.tensor([[1.0, 2], [3, 1]]), candidates, relevant)
    assert found.isnan().tolist() == [True, False]
    assert float(found[1]) == 1


def test_titles_in_any_script_are_read_again_and_a_year_that_is_not_known_is_said():
    films = (Film("你好，世界", None, ("Sci-Fi",)), Film("L'été (1)", 2001, ("Sci-Fi",)))
    facts = recommend.Facts(films, {1: 4.5})
    claims = recommend.claims_for(0, [1, 1], facts)
    assert claims is not None
    line = recommend.write(claims)
    assert line == "You gave “L'été (1)” 4.5 stars. “你好，世界” is sci-fi too."
    assert recommend.faults(line, 0, facts) == []
    (fault,) = recommend.faults(line.replace("世界”", "世界” (1999)"), 0, facts)
    assert fault == "it came out in a year that is not known, not in 1999"
    assert recommend.claims_for(1, [0], recommend.Facts(FACTS.films, {0: 5.0})) is None


def test_without_a_loop_the_same_method_is_taught_by_what_the_lot_shows():
    """The clicks that a policy gets are then those on films that it did not choose."""
    clicked = []

    def first_films(clicks):
        clicked.append(clicks.clone())
        return -torch.arange(6.0).expand_as(clicks)

    for teacher in ("own", "lot"):
        clicked.clear()
        found = run_loop(first_films, 1.0, n_shown=2, learns_from=teacher)
        assert found.gini == pytest.approx([2 / 3] * 2)
        new = (clicked[1] - clicked[0]).bool()
        assert (new.sum(1) == 2).all()
        assert bool(new[:, :2].all()) == (teacher == "own")
