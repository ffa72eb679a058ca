"""What a headline is about: by words that stand for it, or by clusters that nobody named."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import mean
from typing import Any, Literal

from aigc_tutorial.apps.checks import as_texts
from aigc_tutorial.apps.news.words import as_rule
from aigc_tutorial.environment import require
from aigc_tutorial.integers import as_count

KEYWORDS: Mapping[str, str] = {
    "energy and metals": r"""
        oil gas crude energy opec drill rig pipeline refinery gold silver copper metals?
        mining miner wind solar lithium 油 矿 煤 能源 金价 风电
    """,
    "rates and currencies": r"""
        fed rates? central_bank treasury bonds? yields? inflation powell dollar euro
        currency repo 央行 通胀 债 利率 财政部
    """,
    "deals": r"""
        merger acqui\w+ takeover ipo buys? stake bid to_sell offering deals? 合并 收购 股权 新股
    """,
    "earnings": r"""
        earnings eps quarter results dividend revenue profit guidance beats misses
        annual 业绩 净利 分红 股息 年度报告 盈
    """,
    "analysts": r"""
        upgrad\w+ downgrad\w+ price_target analyst outperform overweight
    """,
    "economy": r"""
        economy gdp jobs unemployment pmi trade tariffs? recession growth coronavirus
    """,
    "politics": r"""
        trump election president minister congress brexit impeachment democrats?
    """,
    "markets": r"""
        stocks? shares s&p dow nasdaq futures market premarket movers gainers
    """,
}
"""For each topic the words that stand for it; the first topic with a match is taken."""

_OTHER = "companies"
_N_SINGULAR = 100


def keyword_topics(texts: Sequence[str]) -> list[str]:
    """Name the topic of each text by the first of ``KEYWORDS`` that occurs; "companies" if none.

    >>> keyword_topics(["Gold retreats", "Orbital unveils its new phone"])
    ['energy and metals', 'companies']

    Raises:
        ValueError: if it is no list of texts.
    """
    rules = {topic: as_rule(words) for topic, words in KEYWORDS.items()}
    return [
        next((topic for topic, rule in rules.items() if rule.search(text.lower())), _OTHER)
        for text in as_texts(texts, at_least=0)
    ]


def clusters(
    texts: Sequence[str],
    n_clusters: int,
    *,
    method: Literal["k-means", "NMF"],
    seed: int,
) -> tuple[list[int], list[list[str]]]:
    """Sort texts into clusters by their words, without any label.

    Args:
        texts: as many as clusters, or more.
        n_clusters: how many.
        method: nearest of so many mean vectors, the best of ten beginnings, after TF-IDF was
            reduced to a hundred singular vectors; or the largest of so many parts into which
            non-negative matrix factorisation takes TF-IDF apart.
        seed: of the beginning.

    Returns:
        The cluster of each text, and the six words that weigh most in each cluster.

    Raises:
        ValueError: if there are fewer texts than clusters, no word stands in two of them, or there
            is no such method.
    """
    texts, n_clusters = as_texts(texts), as_count(n_clusters, "n_clusters")
    seed = as_count(seed, "seed", at_least=0)
    if method not in ("k-means", "NMF"):
        raise ValueError(f'method must be "k-means" or "NMF", got {method!r}')
    if len(texts) < n_clusters:
        raise ValueError(
            f"{len(texts)} texts make no {n_clusters} clusters; give more, or want fewer"
        )
    require("sklearn", extra="apps")
    from sklearn.cluster import KMeans
    from sklearn.decomposition import NMF, TruncatedSVD
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    counter = TfidfVectorizer(stop_words="english", min_df=2, sublinear_tf=True)
    try:
        counts = counter.fit_transform(texts)
    except ValueError as error:
        raise ValueError(
            "no word that tells topics apart stands in two of the texts, so there is nothing to "
            "sort them by; give more texts"
        ) from error
    model: Any
    if method == "k-means":
        reduced = TruncatedSVD(min(_N_SINGULAR, *counts.shape), random_state=seed)
        vectors = normalize(reduced.fit_transform(counts))
        model = KMeans(n_clusters, n_init=10, random_state=seed)
        found = model.fit_predict(vectors)
        parts = reduced.inverse_transform(model.cluster_centers_)
    else:
        model = NMF(n_clusters, init="random", random_state=seed, max_iter=200, tol=1e-3)
        with warnings.catch_warnings():  # where 200 rounds were not enough, they have to do
            warnings.simplefilter("ignore", ConvergenceWarning)
            found, parts = model.fit_transform(counts).argmax(1), model.components_
    return found.tolist(), top_words(parts, counter.get_feature_names_out().tolist())


def top_words(weights: Any, words: Sequence[str], n: int = 6) -> list[list[str]]:
    """The words that weigh most in each row of ``weights`` (K, V)."""
    return [[words[i] for i in row.argsort()[::-1][:n]] for row in weights]


def agreement(*partitions: Sequence[Any]) -> dict[str, float]:
    """How far two or more partitions of the same texts agree: 1 if they are equal.

    Args:
        partitions: the cluster or topic of each text, of any names.

    Returns:
        Means over all pairs: ``"nmi"``, the normalised mutual information, which many small
        clusters raise, and ``"ari"``, the adjusted Rand index, which is 0 by chance.

    Raises:
        ValueError: if there are not two, or they are not of as many texts, one or more.
    """
    require("sklearn", extra="apps")
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    if len(partitions) < 2:
        raise ValueError(f"expected two partitions or more, got {len(partitions)}")
    if len({len(partition) for partition in partitions}) != 1 or not len(partitions[0]):
        told = ", ".join(str(len(partition)) for partition in partitions)
        raise ValueError(f"the partitions must be of the same texts, got {told} of them")
    pairs = list(combinations(partitions, 2))
    return {
        "nmi": mean(float(normalized_mutual_info_score(a, b)) for a, b in pairs),
        "ari": mean(float(adjusted_rand_score(a, b)) for a, b in pairs),
    }
