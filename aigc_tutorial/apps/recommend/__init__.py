"""Recommending films: by behaviour, by what is written about them, and by both.

>>> import torch
>>> from aigc_tutorial import data
>>> from aigc_tutorial.apps import recommend
>>> ratings = data.movie_sample()
>>> split = recommend.by_each_persons_time(ratings, rng=torch.Generator().manual_seed(0))
>>> task = recommend.task(ratings, split.learned, split.test)
>>> measured = recommend.evaluate(recommend.ease(task.seen, penalty=50), task)
>>> len(measured.top) <= ratings.n_users, measured.top.shape[1]
(True, 10)
"""

from aigc_tutorial.apps.recommend.collaborative import (
    ease,
    ease_reasons,
    ease_weights,
    item_knn,
    item_knn_for_each,
    popular,
    popular_lately,
    pure_svd,
    random_scores,
)
from aigc_tutorial.apps.recommend.combining import choose_weights, combined, standardised
from aigc_tutorial.apps.recommend.explanations import (
    CORRUPTIONS,
    Claims,
    Facts,
    claims_for,
    corrupt,
    faults,
    read,
    write,
)
from aigc_tutorial.apps.recommend.features import StoredFeatures, TextFeatures
from aigc_tutorial.apps.recommend.feedback import Loop, entropy, equal_appeal, gini, run_loop
from aigc_tutorial.apps.recommend.interest import (
    InterestConfig,
    InterestModel,
    block_loss,
    train_interest,
)
from aigc_tutorial.apps.recommend.measures import (
    Measured,
    auc,
    bootstrap_difference,
    evaluate,
    ndcg,
    ranked,
    standing_by_fame,
)
from aigc_tutorial.apps.recommend.splits import (
    LIKED_FROM,
    Split,
    Task,
    by_each_persons_time,
    by_lot,
    by_one_moment,
    new_films,
    task,
)
from aigc_tutorial.apps.recommend.texts import (
    film_texts,
    genre_features,
    profile_scores,
    tfidf_features,
    tfidf_scores,
)

__all__ = [
    "CORRUPTIONS",
    "LIKED_FROM",
    "Claims",
    "Facts",
    "InterestConfig",
    "InterestModel",
    "Loop",
    "Measured",
    "Split",
    "StoredFeatures",
    "Task",
    "TextFeatures",
    "auc",
    "block_loss",
    "bootstrap_difference",
    "by_each_persons_time",
    "by_lot",
    "by_one_moment",
    "choose_weights",
    "claims_for",
    "combined",
    "corrupt",
    "ease",
    "ease_reasons",
    "ease_weights",
    "entropy",
    "equal_appeal",
    "evaluate",
    "faults",
    "film_texts",
    "genre_features",
    "gini",
    "item_knn",
    "item_knn_for_each",
    "ndcg",
    "new_films",
    "popular",
    "popular_lately",
    "profile_scores",
    "pure_svd",
    "random_scores",
    "ranked",
    "read",
    "run_loop",
    "standardised",
    "standing_by_fame",
    "task",
    "tfidf_features",
    "tfidf_scores",
    "train_interest",
    "write",
]
