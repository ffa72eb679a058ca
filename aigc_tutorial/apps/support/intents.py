"""Naming the intent of a message: counted words, and the ways to adapt a language model."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from aigc_tutorial import adaptation, ar
from aigc_tutorial.apps.checks import as_texts, require_positive
from aigc_tutorial.apps.support.checks import (
    as_labels_of,
    require_numbers,
    require_own_tokenizer,
)
from aigc_tutorial.data import SUPPORT_INTENTS, UtteranceDataset, normal_form
from aigc_tutorial.environment import require
from aigc_tutorial.nn import seeded_weights
from aigc_tutorial.tokenizers import Tokenizer

LENGTH = 40
"""Tokens of a message that a language model reads at most; the longest of Bitext's have 35."""

Counting = Literal["words and pairs", "words", "beginnings of words", "characters"]
COUNTINGS: Mapping[Counting, Mapping[str, Any]] = {
    "words and pairs": {"analyzer": "word", "ngram_range": (1, 2)},
    "words": {"analyzer": "word"},
    "beginnings of words": {"analyzer": "word", "token_pattern": r"\b(\w{2,4})\w*"},
    "characters": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}
"""What is counted: words, pairs of neighbours, the first four letters of words, or runs of 2 to 5
characters within words. They are the settings of scikit-learn's ``TfidfVectorizer``."""


class CountedWords:
    """TF-IDF and logistic regression: the rival that every network here has to beat.

    A message is read in its :func:`~aigc_tutorial.data.normal_form`, as the networks read it.
    """

    def __init__(
        self,
        train: UtteranceDataset,
        *,
        count: Counting = "words and pairs",
        penalty: float = 100.0,
    ) -> None:
        """Count and fit.

        Args:
            train: labelled messages.
            count: what is counted, a key of :data:`COUNTINGS`.
            penalty: scikit-learn's C: the larger, the less are large weights held back.

        Raises:
            ValueError: if the messages have fewer than three intents, there is no such counting, or
                the penalty is not positive.
        """
        if count not in COUNTINGS:
            raise ValueError(f"count is {count!r}; expected one of {', '.join(COUNTINGS)}")
        require_positive(penalty, "penalty")
        if (n_intents := len(train.labels.unique())) < 3:
            raise ValueError(
                f"the messages have {n_intents} intents; three or more are needed to tell apart"
            )
        text = require("sklearn.feature_extraction.text", extra="apps")
        linear = require("sklearn.linear_model", extra="apps")
        self._counter = text.TfidfVectorizer(**COUNTINGS[count], sublinear_tf=True)
        counts = self._counter.fit_transform(map(normal_form, train.texts))
        self._model = linear.LogisticRegression(C=penalty, max_iter=2_000)
        with warnings.catch_warnings():
            # One label an intent is few, and meant: they are classes all the same.
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            self._model.fit(counts, train.labels.numpy())

    @property
    def n_weights(self) -> int:
        """Numbers that were learned."""
        return int(self._model.coef_.size + self._model.intercept_.size)

    def _count(self, texts: Sequence[str]) -> Any:
        return self._counter.transform(map(normal_form, as_texts(texts)))

    def features(self, texts: Sequence[str]) -> Float[Tensor, "N D"]:
        """The counts: one number for everything that was counted in training, few of them not 0."""
        return torch.from_numpy(self._count(texts).toarray()).float()

    def logits(self, texts: Sequence[str]) -> Float[Tensor, "N K"]:
        """One number for each intent; those that were not learned have −∞."""
        counts = self._count(texts)
        known = torch.from_numpy(self._model.decision_function(counts)).float()
        found = torch.full((len(known), len(SUPPORT_INTENTS)), -torch.inf)
        found[:, torch.from_numpy(self._model.classes_)] = known
        return found


def rows_of(
    texts: Sequence[str], tokenizer: Tokenizer, *, length: int = LENGTH
) -> tuple[Int64[Tensor, "N T"], Bool[Tensor, "N T"]]:
    """Messages as a language model reads them: in normal form, as the middle of a sentence.

    The space in front gives the first word the token that it has inside of a text.
    """
    marked = [f" {normal_form(text)}" for text in as_texts(texts)]
    return adaptation.encode_texts(marked, tokenizer, length=length)


@dataclass(frozen=True)
class Way:
    """A way from a language model to a classifier of intents.

    Attributes:
        prepare: makes what is trained of a freshly loaded model; takes a seed.
        rates: learning rates to choose from: those of the backbone, or of the head alone.
        n_examples: messages seen in training, with repetition.
    """

    prepare: Callable[[ar.Transformer, int], ar.Transformer]
    rates: tuple[float, ...]
    n_examples: int = 1_600


def _with_lora(model: ar.Transformer, seed: int) -> ar.Transformer:
    adaptation.add_lora(model, rank=8, rng=torch.Generator().manual_seed(seed))
    return model


def _from_scratch(model: ar.Transformer, seed: int) -> ar.Transformer:
    with seeded_weights(seed):
        return ar.Transformer(model.config).to(model.device)


WAYS: Mapping[str, Way] = {
    "all weights": Way(lambda model, _seed: model, (3e-4, 1e-3, 3e-3, 1e-2)),
    "LoRA, rank 8": Way(_with_lora, (3e-3, 1e-2, 3e-2)),
    "head alone": Way(
        lambda model, _seed: model.requires_grad_(False), (3e-3, 1e-2, 3e-2), n_examples=16_000
    ),
    "all weights, from random ones": Way(_from_scratch, (1e-4, 3e-4, 1e-3, 3e-3)),
}
"""What there is to compare. The head's features are computed once, so it may see ten times more."""


@dataclass(frozen=True)
class TunedModel:
    """A language model that was taught the intents.

    Attributes:
        classifier: the model with its head.
        tokenizer: the model's own.
        validation_nll: nats a held-out message, at the step that was kept.
        seconds: of the training.
    """

    classifier: adaptation.Classifier
    tokenizer: Tokenizer
    validation_nll: float
    seconds: float

    def features(self, texts: Sequence[str]) -> Float[Tensor, "N D"]:
        """What the head reads."""
        return adaptation.text_features(self.classifier, *rows_of(texts, self.tokenizer)).cpu()

    def logits(self, texts: Sequence[str]) -> Float[Tensor, "N K"]:
        """One number for each intent."""
        head = self.classifier.head
        with torch.no_grad():
            return head(self.features(texts).to(head.weight)).float().cpu()


def tune(
    model: ar.Transformer,
    tokenizer: Tokenizer,
    train: UtteranceDataset,
    validation: UtteranceDataset,
    *,
    way: Way,
    rate: float | None = None,
    seed: int = 0,
) -> TunedModel:
    """Teach a language model the intents; it is changed in place.

    Args:
        model: as it comes from the zoo.
        tokenizer: the model's own.
        train: labelled messages.
        validation: held-out ones; the weights are kept that find their labels most probable.
        way: one of :data:`WAYS`.
        rate: the learning rate; by default the second of the way's.
        seed: of factors, random weights, and the order of the messages.

    Raises:
        ValueError: if the way is none, the rate is not positive, a part has no message, or the
            tokenizer is not the model's.
    """
    if not isinstance(way, Way):
        raise ValueError(f"way is {way!r}; take one of WAYS: WAYS[{next(iter(WAYS))!r}]")
    rate = way.rates[1] if rate is None else rate
    require_positive(rate, "rate")
    require_own_tokenizer(model, tokenizer)
    classifier = adaptation.Classifier(way.prepare(model, seed), len(SUPPORT_INTENTS))
    result = adaptation.train_classifier(
        classifier,
        (*rows_of(train.texts, tokenizer), train.labels),
        config=adaptation.FineTuningConfig(
            n_examples=way.n_examples,
            learning_rate_head=rate if classifier.is_backbone_frozen else 1e-2,
            learning_rate_backbone=rate,
        ),
        seed=seed,
        validation=(*rows_of(validation.texts, tokenizer), validation.labels),
        validate_every=way.n_examples // 4,
        progress_bar=False,
    )
    return TunedModel(classifier, tokenizer, min(result.validation["nll"]), result.seconds)


def accuracy(logits: Float[Tensor, "N K"], labels: Int64[Tensor, " N"]) -> float:
    """Share of messages whose largest logit is that of their intent.

    Raises:
        ValueError: if there is no message, a logit is not a number, or labels do not fit.
    """
    require_numbers(logits, "logits", n_axes=2)
    labels = as_labels_of(logits, labels, logits.shape[1]).to(logits.device)
    return float((logits.argmax(1) == labels).double().mean())
