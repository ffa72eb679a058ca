"""Finding the entry that answers a question: by counted words, and by vectors."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aigc_tutorial import adaptation, ar
from aigc_tutorial.apps.checks import as_texts
from aigc_tutorial.apps.support.checks import require_numbers, require_own_tokenizer
from aigc_tutorial.apps.support.intents import COUNTINGS, Counting, rows_of
from aigc_tutorial.environment import require
from aigc_tutorial.integers import as_count
from aigc_tutorial.tokenizers import Tokenizer

Embed = Callable[[Sequence[str]], Tensor]
"""Texts to vectors (N, D)."""

_RUN = re.compile(r"[\u4e00-\u9fff]+|[^\W_\u4e00-\u9fff]+(?:'[^\W\d_\u4e00-\u9fff]+)?")


def terms(text: str) -> list[str]:
    """What a text is found by: its words; of Chinese each character, and each two neighbours.

    Chinese writes no space between words. A pair of characters is a word often enough, and single
    ones find what the pairs miss.

    >>> terms("Cancel order 12")
    ['cancel', 'order', '12']
    >>> terms("取消订单")
    ['取', '消', '订', '单', '取消', '消订', '订单']
    """
    found = []
    for run in _RUN.findall(text.lower().replace("’", "'")):
        if "\u4e00" <= run[0] <= "\u9fff":
            found += [*run, *(run[i : i + 2] for i in range(len(run) - 1))]
        else:
            found.append(run)
    return found


@runtime_checkable
class Index(Protocol):
    """Something that compares queries with texts."""

    def scores(self, queries: Sequence[str]) -> Float[Tensor, "N M"]:
        """How well each of M texts fits each of N queries; only the order has a meaning."""


class BM25Index:
    r"""Okapi BM25: a word that is rare among the texts says much, its tenth occurrence little.

    .. math::
        s(q, d) = \sum_{w \in q} \ln\left(1 + \frac{M - m_w + 1/2}{m_w + 1/2}\right)
        \frac{n_{wd}}{n_{wd} + k_1 (1 - b + b\, l_d / \bar l)}

    Of M texts m_w hold the word w, n_wd times; the text d has l_d words. This is the variant that
    Lucene uses. Source: Robertson and Zaragoza (2009); the library bm25s computes it.
    """

    def __init__(
        self,
        texts: Sequence[str],
        *,
        terms: Callable[[str], list[str]] = terms,
        k1: float = 1.5,
        b: float = 0.75,
    ) -> None:
        """Count the words of the texts.

        Args:
            texts: what is searched.
            terms: makes words of a text, and of a query.
            k1: how soon a further occurrence stops to count.
            b: how much a long text is held against it, from 0 to 1.

        Raises:
            ValueError: if no text has a word, k1 is negative, or b lies outside.
        """
        if not (0 <= k1 < float("inf") and 0 <= b <= 1):
            raise ValueError(f"k1 is {k1} and b {b}; k1 must not be negative, b from 0 to 1")
        words = [terms(text) for text in as_texts(texts)]
        if not any(words):
            raise ValueError("no text has a word to be found by")
        self._terms, self._n_texts = terms, len(words)
        self._bm25 = require("bm25s", extra="apps").BM25(k1=k1, b=b, method="lucene")
        self._bm25.index(words, show_progress=False)

    def scores(self, queries: Sequence[str]) -> Float[Tensor, "N M"]:
        """BM25 of each text for each query; 0 where they share no word."""
        queries = as_texts(queries, "queries")
        found = torch.zeros(len(queries), self._n_texts)
        for row, query in zip(found, queries, strict=True):
            if words := self._terms(query):
                row += torch.from_numpy(self._bm25.get_scores(words))
        return found


class VectorIndex:
    """Texts as vectors, compared by the cosine of their angle.

    The mean of the texts' vectors is taken away first: what all texts have in common, which of a
    language model's features is nearly everything, says nothing about which one is meant.
    """

    def __init__(self, texts: Sequence[str], embed: Embed, *, is_centred: bool = True) -> None:
        """Compute the texts' vectors.

        Args:
            texts: what is searched.
            embed: makes vectors of texts, and of queries.
            is_centred: whether to take the mean away.

        Raises:
            ValueError: if there is no text, a vector holds what is no number, or one text alone is
                to be centred, which leaves nothing of it.
        """
        texts = as_texts(texts)
        vectors = embed(texts)
        require_numbers(vectors, "vectors", n_axes=2)
        if is_centred and len(texts) < 2:
            raise ValueError("one text is its own mean; write is_centred=False")
        self._embed = embed
        self._mean = vectors.mean(0) * float(is_centred)
        self._vectors = torch.nn.functional.normalize(vectors - self._mean, dim=1)

    def scores(self, queries: Sequence[str]) -> Float[Tensor, "N M"]:
        """Cosines."""
        vectors = self._embed(as_texts(queries, "queries"))
        vectors = torch.nn.functional.normalize(vectors - self._mean, dim=1)
        return (vectors @ self._vectors.T).float().cpu()


def counted_embedding(texts: Sequence[str], *, count: Counting = "characters") -> Embed:
    """TF-IDF itself as vectors: nothing is learned but how rare each thing is.

    Args:
        texts: in which things are rare or common.
        count: what is counted, a key of :data:`COUNTINGS`.
    """
    counter = require("sklearn.feature_extraction.text", extra="apps").TfidfVectorizer(
        **COUNTINGS[count], sublinear_tf=True
    )
    counter.fit(as_texts(texts))

    def embed(queries: Sequence[str]) -> Tensor:
        return torch.from_numpy(counter.transform(as_texts(queries, "queries")).toarray()).float()

    return embed


def latent_semantic_embedding(texts: Sequence[str], *, n_dimensions: int = 64) -> Embed:
    """The simplest vectors of texts: TF-IDF, and of it the directions that vary most (LSA).

    Args:
        texts: what words occur in, of which words are close to each other is learned.
        n_dimensions: of the vectors; fewer where there are fewer texts or words.

    Raises:
        ValueError: if there are fewer than two texts or two different words.
    """
    texts, n_dimensions = as_texts(texts), as_count(n_dimensions, "n_dimensions")
    if min(len(texts), len({term for text in texts for term in terms(text)})) < 2:
        raise ValueError("directions need two texts and two different words at least")
    decomposition = require("sklearn.decomposition", extra="apps")
    counter = require("sklearn.feature_extraction.text", extra="apps").TfidfVectorizer(
        analyzer=terms, sublinear_tf=True
    )
    counts = counter.fit_transform(texts)
    n_components = min(n_dimensions, *(n - 1 for n in counts.shape))
    svd = decomposition.TruncatedSVD(n_components, random_state=0).fit(counts)

    def embed(queries: Sequence[str]) -> Tensor:
        counts = counter.transform(as_texts(queries, "queries"))
        return torch.from_numpy(svd.transform(counts)).float()

    return embed


def language_model_embedding(
    model: ar.AutoregressiveModel | adaptation.Classifier, tokenizer: Tokenizer
) -> Embed:
    """The mean of a language model's features over a text, or of those of a tuned classifier.

    Raises:
        ValueError: if the tokenizer is not the model's.
    """
    reader = model
    if not isinstance(reader, adaptation.Classifier):
        reader = adaptation.Classifier(model, n_classes=2)
    require_own_tokenizer(reader.backbone, tokenizer)
    return lambda texts: adaptation.text_features(reader, *rows_of(texts, tokenizer))


@dataclass(frozen=True)
class RetrievalQuality:
    """How high the right texts rank.

    Attributes:
        recall_at_1: share of queries whose first text is a right one.
        recall_at_3: share of queries with a right one among the first three.
        mrr: mean of 1 / (rank of the first right one).
        n_queries: queries that were measured.
    """

    recall_at_1: float
    recall_at_3: float
    mrr: float
    n_queries: int


def retrieval_quality(
    scores: Float[Tensor, "N M"], is_right: Bool[Tensor, "N M"]
) -> RetrievalQuality:
    """Measure a ranking; of texts with equal scores the right one is taken to be the last.

    So an index that finds nothing, and gives 0 to all, gets no credit for the order of the texts.

    Args:
        scores: of each text for each query.
        is_right: which texts answer it; one or more in each row.

    Raises:
        ValueError: if there is no query, the shapes differ, a score is not a number, or a query has
            no right text.
    """
    require_numbers(scores, "scores", n_axes=2)
    if scores.shape != is_right.shape:
        raise ValueError(
            f"scores are {tuple(scores.shape)} and is_right {tuple(is_right.shape)}; both must "
            "have a row for each query and a column for each text"
        )
    if not is_right.any(1).all():
        raise ValueError("a query has no right text, so its rank is not defined; leave it out")
    best = scores.masked_fill(~is_right, -torch.inf).amax(1, keepdim=True)
    ranks = 1 + ((scores >= best) & ~is_right).sum(1)
    return RetrievalQuality(
        recall_at_1=float((ranks <= 1).double().mean()),
        recall_at_3=float((ranks <= 3).double().mean()),
        mrr=float((1 / ranks.double()).mean()),
        n_queries=len(ranks),
    )
