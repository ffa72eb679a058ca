"""Sentiment by counted words, and how well a classifier does when classes are unequal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.apps.checks import as_share, as_texts
from aigc_tutorial.apps.news.checks import as_named
from aigc_tutorial.apps.news.words import as_rule
from aigc_tutorial.data import SENTIMENTS
from aigc_tutorial.data.checks import Samples, require_rng
from aigc_tutorial.environment import require
from aigc_tutorial.integers import as_count

WORD_LISTS: Mapping[str, str] = {
    "bearish": r"""
        fall(s|en|ing)? fell drop(s|ped|ping)? declin\w+ slump\w* sink(s|ing)? sank
        slid(e|es)? slip(s|ped)? tumbl\w+ plung\w+ plummet\w* crash\w* loss(es)?
        los(e|es|ing) miss(es|ed)? cuts? slash\w* downgrad\w+ lower(s|ed)? weak\w*
        warn\w* disappoint\w* worst bear(s|ish)? halv\w+ suspend\w* halt\w* lawsuit
        sue[sd]? probe fraud recall\w* default\w* bankrupt\w* layoffs? lays_off fears?
        recession retreats? collaps\w+ scrap\w* withdraw\w* breach hack\w* shrink\w*
        fine pressure losers? low
        下滑 预警 亏 跳水 否决 终止 失败 大跌 打击 疲软 跌 停产 拖累 下挫 泄露 骤降 裁员 下调
    """,
    "bullish": r"""
        ris(e|es|ing) rose gain(s|ed|ing|ers)? jump(s|ed)? surg\w+ soar\w* climb\w*
        rall(y|ies|ied) beat(s|ing)? top(s|ped) rais(e|es|ed) upgrad\w+ higher strong\w*
        record best bull(s|ish)? boost\w* leap\w* lifts? win(s|ning)? won
        profit(s|able)? outperform buy_rating approv\w+ rebound\w* bounc\w+ breakthrough
        doubles highs? clears? cheer increases? up_\d booming
        增长 超预期 大涨 上调 飙升 批准 上涨 降息 反弹 涨 新高 成功 大额订单
    """,
}
"""Words that stand for falling and for rising prices, ours, written without a look at test data."""

_BEARISH, _BULLISH, _NEUTRAL = range(len(SENTIMENTS))


def word_list_sentiment(texts: Sequence[str]) -> Int64[Tensor, " N"]:
    """Sentiment by two lists of words, which needs no label: the list with more words in the text.

    Neutral where both have as many, or none.

    >>> word_list_sentiment(["Oil slumps", "Gold climbs to a record", "Metals settlement prices"])
    tensor([0, 1, 2])

    Raises:
        ValueError: if it is no list of texts.
    """
    named = [
        _NEUTRAL if bad == good else _BEARISH if bad > good else _BULLISH
        for bad, good in _words_found(as_texts(texts, at_least=0))
    ]
    return torch.tensor(named, dtype=torch.int64)


def _words_found(texts: Sequence[str]) -> list[list[int]]:
    """How many words of each list are in each text."""
    rules = [as_rule(WORD_LISTS[name]) for name in ("bearish", "bullish")]
    return [[len(rule.findall(text.lower())) for rule in rules] for text in texts]


def word_pairs(inverse_penalty: float = 10.0, *, with_lists: bool = False) -> Any:
    """Logistic regression on TF-IDF of words and pairs of words, all classes of equal weight.

    Args:
        inverse_penalty: C of scikit-learn; large values fit the training texts more closely.
        with_lists: count the words of both lists besides, as two more numbers of each text.

    Returns:
        A pipeline of scikit-learn: ``fit(texts, labels)``, ``predict``, ``predict_proba``.
    """
    require("sklearn", extra="apps")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import FunctionTransformer

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return make_pipeline(
        make_union(words, FunctionTransformer(_words_found)) if with_lists else words,
        LogisticRegression(C=inverse_penalty, max_iter=1_000, class_weight="balanced"),
    )


def letter_groups(inverse_penalty: float = 0.3) -> Any:
    """A linear support vector machine on TF-IDF of groups of two to five letters within words.

    It needs no spaces between words, so it reads Chinese too; it has no probabilities.

    Args:
        inverse_penalty: C of scikit-learn; large values fit the training texts more closely.

    Returns:
        A pipeline of scikit-learn: ``fit(texts, labels)``, ``predict``.
    """
    require("sklearn", extra="apps")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    return make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        LinearSVC(C=inverse_penalty, class_weight="balanced"),
    )


def macro_f1(labels: Samples, named: Samples, n_classes: int = 3) -> float:
    r"""Mean over the classes of the harmonic mean of precision and recall.

    .. math:: \frac{1}{K} \sum_k \frac{2\,\mathrm{TP}_k}{2\,\mathrm{TP}_k + \mathrm{FP}_k +
        \mathrm{FN}_k}

    A class that no text has and none is given counts as 0, as in scikit-learn.

    Args:
        labels: the true classes (N,), whole numbers.
        named: those that a classifier named (N,).
        n_classes: K.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if there is no text, one has no such class, or the numbers of both differ.
    """
    n_classes = as_count(n_classes, "n_classes")
    labels, named = as_named(labels, named, n_classes)
    cells = torch.bincount(n_classes * labels + named, minlength=n_classes**2)
    table = cells.view(n_classes, n_classes).double()
    sizes = (table.sum(0) + table.sum(1)).clamp(min=1)
    return float((2 * table.diagonal() / sizes).mean())


def bootstrap_interval(
    score: Callable[[Tensor, Tensor], float],
    labels: Samples,
    named: Samples,
    *,
    rng: torch.Generator,
    n_draws: int = 500,
    level: float = 0.95,
) -> tuple[float, float]:
    """Where a score of test texts lies when other texts of the same kind had been drawn.

    Args:
        score: of labels and named classes, such as :func:`macro_f1`.
        labels: the true classes.
        named: those that a classifier named.
        rng: draws texts with repetition.
        n_draws: how often as many texts are drawn.
        level: share of the draws within the interval.

    Returns:
        Lower and upper end.

    Raises:
        TypeError: if the classes are no whole numbers, or rng is no generator.
        ValueError: if there is no text, the numbers of both differ, or the level is none.
    """
    require_rng(rng)
    labels, named = as_named(labels, named)
    level = as_share(level, "level")
    found = torch.empty(as_count(n_draws, "n_draws"), dtype=torch.float64)
    for i in range(len(found)):
        rows = torch.randint(len(labels), (len(labels),), generator=rng, device=rng.device)
        rows = rows.to(labels.device)
        found[i] = score(labels[rows], named[rows])
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = found.quantile(ends).tolist()
    return low, high
