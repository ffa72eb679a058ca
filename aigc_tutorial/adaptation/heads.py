"""A new head on a trained language model: it reads the model's features and names a class."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar.checks import as_mask, check_range, check_shape
from aigc_tutorial.integers import IntegersLike, as_count, as_int64
from aigc_tutorial.nn import evaluation_mode, full_precision
from aigc_tutorial.optim.groups import HasSymbolLayers
from aigc_tutorial.tokenizers import Tokenizer

Pooling = Literal["last", "mean"]
_BATCH_SIZE = 256


class Classifier(nn.Module):
    r"""A linear head that reads one vector of a text, made of a trained model's features.

    .. math:: p(y \mid x_1, \dots, x_T) = \operatorname{softmax}(W f + c)_y

    Of a causal model the last token's features alone have seen the whole text; their mean is what
    the model thought on the way, which is steadier where it was trained to predict single letters.
    Which of the two is better is a matter of measurement.

    The head begins at zero: all classes are equally probable. What is trained besides it is what
    can be trained in the backbone:

    - ``backbone.requires_grad_(False)`` leaves the head alone,
    - ``add_lora(backbone, ...)`` adds LoRA's factors,
    - and a backbone as it comes is trained in full.

    >>> from aigc_tutorial import adaptation, nn, zoo
    >>> backbone = zoo.load("english-bytes").requires_grad_(False)
    >>> classifier = adaptation.Classifier(backbone, 3)
    >>> tokenizer = zoo.tokenizer("english-bytes")
    >>> tokens, mask = adaptation.encode_texts(["Up 3 %", "Shares fell"], tokenizer, length=64)
    >>> adaptation.class_probabilities(classifier, tokens, mask)
    tensor([[0.3333, 0.3333, 0.3333],
            [0.3333, 0.3333, 0.3333]])
    >>> nn.count_parameters(classifier)
    387

    Attributes:
        backbone: the model itself, no copy; its own head, which is not used here, is frozen.
        head: (K, D), and K biases.
    """

    backbone: Any

    def __init__(self, backbone: nn.Module, n_classes: int, *, pooling: Pooling = "mean") -> None:
        """Put a head on a model.

        Args:
            backbone: has ``features``, from tokens (B, T) to vectors (B, T, D): a ``Transformer``,
                a ``GPT2`` or a ``RecurrentModel``, or a model of your own. It must be causal, since
                padding stands behind a text.
            n_classes: K, two or more.
            pooling: "mean" of the real tokens' features, or those of the "last" one.

        Raises:
            TypeError: if the backbone has no features.
            ValueError: if there are not two classes, or no such pooling.
        """
        super().__init__()
        if not callable(getattr(backbone, "features", None)):
            raise TypeError(
                f"a {type(backbone).__name__} has no features(tokens), which a head could read; "
                "Transformer, GPT2 and RecurrentModel have"
            )
        n_classes = as_count(n_classes, "n_classes", at_least=2)
        if pooling not in ("last", "mean"):
            raise ValueError(f'pooling must be "last" or "mean", got {pooling!r}')
        self.backbone, self.n_classes, self.pooling = backbone, n_classes, pooling
        if isinstance(backbone, HasSymbolLayers):
            for layer in backbone.symbol_layers():
                layer.requires_grad_(False)
        like = next(backbone.parameters())
        with torch.no_grad(), evaluation_mode(backbone):
            one_token = torch.zeros(1, 1, dtype=torch.int64, device=like.device)
            width = self.backbone.features(one_token).shape[-1]
        self.head = nn.Linear(width, n_classes).to(like)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.train(backbone.training)

    @property
    def is_backbone_frozen(self) -> bool:
        """Whether the head alone can be trained."""
        return not any(parameter.requires_grad for parameter in self.backbone.parameters())

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.head.weight.device

    def train(self, mode: bool = True) -> "Classifier":
        """Switch to training, a frozen backbone excepted: it stays in evaluation mode."""
        super().train(mode)
        if self.is_backbone_frozen:
            self.backbone.eval()
        return self

    def features(
        self, tokens: Int64[Tensor, "B T"], mask: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B D"]:
        """One vector for each text.

        Args:
            tokens: texts, padded behind their ends.
            mask: True at real tokens; None if all are. Each row has one.
        """
        states = self.backbone.features(tokens)
        if mask is None:
            mask = torch.ones_like(tokens, dtype=torch.bool)
        if self.pooling == "last":
            rows = torch.arange(len(tokens), device=tokens.device)
            return states[rows, mask.sum(1) - 1]
        shares = mask / mask.sum(1, keepdim=True)
        return torch.einsum("btd,bt->bd", states, shares.to(states.dtype))

    def forward(
        self, tokens: Int64[Tensor, "B T"], mask: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B K"]:
        """Logits of the classes; arguments as :meth:`features` takes them."""
        return self.head(self.features(tokens, mask))

    def check_texts(
        self, tokens: Int64[Tensor, "B T"] | IntegersLike, mask: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Tokens and mask of texts that the classifier can take, looked at once.

        Returns:
            Both, on the device of the tokens.

        Raises:
            ValueError: if they are none: of another shape, no tokens of the model, longer than its
                context, or with a mask that is not True from the beginning of a text to its end.
        """
        rows = as_int64(tokens, "tokens", "encode_texts makes them of texts")
        check_shape(rows, getattr(self.backbone, "context", None))
        if (vocab_size := getattr(self.backbone, "vocab_size", None)) is not None:
            check_range(rows, vocab_size)
        if mask is None:
            return rows, torch.ones_like(rows, dtype=torch.bool)
        real = as_mask(mask, rows.shape).to(rows.device)
        if not (real[:, 0].all() and (real[:, :-1] | ~real[:, 1:]).all()):
            raise ValueError(
                "a text's mask is True at its tokens and False behind them, in each row; here one "
                "is empty, or padded in front or between. encode_texts makes rows that fit"
            )
        return rows, real


def encode_texts(
    texts: Sequence[str], tokenizer: Tokenizer, *, length: int
) -> tuple[Int64[Tensor, "N T"], Bool[Tensor, "N T"]]:
    """Texts as rows of tokens, with padding behind the shorter ones.

    Args:
        texts: each with one token or more.
        tokenizer: the backbone's own; a token for the beginning comes first where it has one.
        length: at most so many tokens of each, from its beginning; what follows is left away. The
            backbone's context is the most that it can take.

    Returns:
        The tokens, and a mask that is False at padding.

    Raises:
        ValueError: if there is no text, one is empty, or the tokenizer cannot write it.
    """
    length = as_count(length, "length")
    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"expected a list of one text or more, got {texts!r}")
    rows = [tokenizer.prompt(text)[:length] for text in texts]
    if empty := [i for i, row in enumerate(rows) if not len(row)]:
        raise ValueError(
            f"text {empty[0]} is empty, of which there is nothing to read; leave it out"
        )
    tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows], device=tokens.device)
    return tokens, torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]


def trimmed(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows without the columns in which all are padding."""
    longest = int(mask.sum(1).max())
    return tokens[:, :longest], mask[:, :longest]


@torch.no_grad()
def text_features(
    classifier: Classifier,
    tokens: Int64[Tensor, "N T"] | IntegersLike,
    mask: Any = None,
    *,
    batch_size: int = _BATCH_SIZE,
) -> Float[Tensor, "N D"]:
    """The vectors that the head reads, on the classifier's device.

    Texts of like lengths are computed together, so that little is spent on padding.

    Args:
        classifier: is left in the mode in which it is.
        tokens: texts, as :meth:`Classifier.check_texts` takes them.
        mask: True at real tokens; None if all are.
        batch_size: texts that are computed at once.

    Raises:
        ValueError: as ``check_texts`` does.
    """
    rows, real = classifier.check_texts(tokens, mask)
    order = real.sum(1).argsort(stable=True)
    found = []
    with evaluation_mode(classifier):
        for chosen in order.split(as_count(batch_size, "batch_size")):
            part = (x.to(classifier.device) for x in trimmed(rows[chosen], real[chosen]))
            found.append(full_precision(classifier.features(*part)))
    features = torch.cat(found)
    return torch.empty_like(features).index_copy_(0, order.to(features.device), features)


@torch.no_grad()
def class_probabilities(
    classifier: Classifier,
    tokens: Int64[Tensor, "N T"] | IntegersLike,
    mask: Any = None,
    *,
    batch_size: int = _BATCH_SIZE,
) -> Float[Tensor, "N K"]:
    """How probable the classifier finds each class; arguments as :func:`text_features` takes them.

    Returns:
        Rows that sum to 1, on the CPU; ``argmax(1)`` of them is the class.
    """
    features = text_features(classifier, tokens, mask, batch_size=batch_size)
    return classifier.head(features.to(classifier.head.weight)).float().softmax(1).cpu()
