"""How probable a model finds held-out data: nats, bits, perplexity, and their uncertainty.

A likelihood depends on the protocol as much as on the model: on the unit (a token of one tokenizer
is not a token of another), on how much is given before each prediction, and on whether all of the
data was used. So a report names its protocol, and nothing here is estimated from random batches.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor, nn

from aigc_tutorial.data.checks import check_rows
from aigc_tutorial.integers import IntegersLike, as_count, as_int64
from aigc_tutorial.nn import autocast_off, evaluation_mode


@runtime_checkable
class LikelihoodModel(Protocol):
    """A module with ``nll``: every :class:`aigc_tutorial.ar.base.AutoregressiveModel`, for one."""

    @property
    def nll(self) -> Callable[..., Tensor]:
        """Takes a batch; returns negative log-likelihoods in nats, one for each prediction."""

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""


@dataclass(frozen=True)
class LikelihoodReport:
    """Negative log-likelihood of held-out data under a model.

    Attributes:
        nats: sum over all predictions.
        n_predictions: tokens that were predicted; pixels, for images.
        n_sequences: windows, sentences or images that they were predicted in. Sequences packed into
            one row count each, rows without a prediction do not.
        standard_error: of :attr:`nats_per_token`. Tokens of one sequence are not independent, so it
            is computed from the sequences' sums; NaN for a single sequence.
        protocol: how it was measured, in words.
    """

    nats: float
    n_predictions: int
    n_sequences: int
    standard_error: float
    protocol: str

    @property
    def nats_per_token(self) -> float:
        """Mean negative log-likelihood of a prediction: the usual validation loss."""
        return self.nats / self.n_predictions

    @property
    def bits_per_token(self) -> float:
        """The same in bits: per character for characters, per dimension for pixels."""
        return self.nats_per_token / math.log(2)

    @property
    def perplexity(self) -> float:
        """Number of equally probable tokens that would be as hard to predict."""
        return math.exp(self.nats_per_token)

    @property
    def nats_per_sequence(self) -> float:
        """Mean over sequences: what is reported for binarized images."""
        return self.nats / self.n_sequences

    def bits_per(self, n_units: int) -> float:
        """Bits per unit that does not depend on a tokenizer.

        Args:
            n_units: how many of them the predicted tokens stand for, such as the bytes of the text.
        """
        if n_units < 1:
            raise ValueError(f"n_units must be at least 1, got {n_units}")
        return self.nats / math.log(2) / n_units


def text_likelihood(
    model: LikelihoodModel,
    tokens: Int64[Tensor, " N"] | IntegersLike,
    *,
    context: int,
    stride: int | None = None,
    batch_size: int = 128,
) -> LikelihoodReport:
    """Likelihood of a long text, in windows: each token but the first is predicted exactly once.

    By default the windows follow each other: a prediction sees 1 to ``context`` tokens, on average
    half of them. That is the loss that training minimises, and what nanoGPT's validation loss
    estimates from random windows. With a smaller ``stride`` the windows overlap and a prediction
    sees at least ``context - stride + 1`` tokens, once there are so many; the same model then
    scores better, at ``context / stride`` times the cost. Compare only equal protocols.

    Args:
        model: its ``nll`` takes a batch of windows.
        tokens: the whole held-out text, in a tensor, a NumPy array or a list.
        context: the most tokens that a prediction sees.
        stride: from the start of one window to the next; by default ``context``.
        batch_size: windows that are computed at once, a matter of memory alone.

    Raises:
        ValueError: if there is nothing to predict, or ``stride`` is not in 1 … ``context``.
    """
    context, batch_size = as_count(context, "context"), as_count(batch_size, "batch_size")
    stride = context if stride is None else as_count(stride, "stride")
    if stride > context:
        raise ValueError(f"need 1 <= stride <= context, got {stride} and {context}")
    tokens = as_int64(tokens, "tokens", "encode a text with a tokenizer")
    if tokens.ndim != 1 or len(tokens) < 2:
        raise ValueError(
            "expected a text of two tokens or more, got "
            f"{len(tokens) if tokens.ndim == 1 else f'the shape {tuple(tokens.shape)}'}"
        )
    check_rows(model, (tokens[None],))
    windows = _windows(tokens, context, stride, batch_size)
    scores = [_nll(model, (tokens,))[:, n_known:] for tokens, n_known in windows]
    how = "one after the other" if stride == context else f"{stride} apart"
    return _report(
        torch.cat([nll.sum(1) for nll in scores]),
        torch.cat([torch.full((len(nll),), nll.shape[1], device="cpu") for nll in scores]),
        f"all tokens but the first, in windows of {context} given tokens, {how}",
    )


def sequence_likelihood(
    model: LikelihoodModel, rows: IntegersLike | tuple[Any, ...], *, batch_size: int = 128
) -> LikelihoodReport:
    """Likelihood of separate sequences or images, each computed on its own.

    Args:
        model: its ``nll`` takes a batch of rows.
        rows: what the model is trained on: tokens (N, T), alone or with their mask (and segments),
            or images (N, H, W), alone or with their labels. A boolean tensor is the mask.
        batch_size: rows that are computed at once, a matter of memory alone.

    Raises:
        ValueError: if there are no rows, or nothing in them to predict.
    """
    batch_size = as_count(batch_size, "batch_size")
    parts: tuple[Any, ...] = rows if isinstance(rows, tuple) else (rows,)
    if len(parts[0]) == 0:
        raise ValueError("expected at least one sequence, got none")
    parts = check_rows(model, parts)
    sums, counts = [], []
    for batch in zip(*(part.split(batch_size) for part in parts), strict=True):
        nll = _nll(model, batch).flatten(1)
        n_predicted = torch.ones_like(nll, dtype=torch.int64)
        segments = torch.zeros_like(n_predicted)
        if len(batch) > 1 and batch[1].dtype == torch.bool:
            n_predicted = batch[1][:, 1:].cpu().long()
            if len(batch) > 2 and batch[2].shape == batch[1].shape:
                segments = batch[2][:, 1:].cpu()
        sums.append(_by_sequence(nll, segments))
        counts.append(_by_sequence(n_predicted, segments))
    all_sums, all_counts = torch.cat(sums), torch.cat(counts)
    kept = all_counts > 0
    return _report(all_sums[kept], all_counts[kept], f"all of {int(kept.sum()):,} sequences")


def _by_sequence(
    values: Shaped[Tensor, "B N"], segments: Int64[Tensor, "B N"]
) -> Shaped[Tensor, " S"]:
    """Sums over each segment of each row."""
    if (segments == segments[:, :1]).all():
        return values.sum(1)
    rows = torch.arange(len(segments), device="cpu")[:, None].expand_as(segments)
    pairs = torch.stack([rows, segments], dim=-1).flatten(0, 1)
    pairs, sequence = pairs.unique(dim=0, return_inverse=True)
    return values.new_zeros(len(pairs)).index_add(0, sequence, values.flatten())


def _windows(
    tokens: Tensor, context: int, stride: int, batch_size: int
) -> Iterator[tuple[Tensor, int]]:
    """Batches of windows, each with the number of predictions that earlier windows have made."""
    n_known = context - stride
    n_full = max(0, (len(tokens) - 1 - context) // stride + 1)
    if n_full:
        full = tokens.unfold(0, context + 1, stride)
        yield full[:1], 0
        for start in range(1, n_full, batch_size):
            yield full[start : start + batch_size], n_known
    rest, n_known = tokens[n_full * stride :], n_known if n_full else 0
    if len(rest) > n_known + 1:
        yield rest[None], n_known


@autocast_off()
@torch.no_grad()
def _nll(model: LikelihoodModel, batch: tuple[Tensor, ...]) -> Tensor:
    """Negative log-likelihoods in evaluation mode, on the CPU, in double precision."""
    with evaluation_mode(cast(nn.Module, model)):
        return model.nll(*(part.to(model.device) for part in batch)).cpu().double()


def _report(sums: Tensor, counts: Tensor, protocol: str) -> LikelihoodReport:
    """Put sums of nats and numbers of predictions, one of each a sequence, into a report."""
    total, n_predictions, n_sequences = sums.sum().item(), int(counts.sum()), len(sums)
    if n_predictions == 0:
        raise ValueError("there is no token to predict: the mask is False everywhere")
    if not math.isfinite(total):
        raise ValueError(f"the likelihood is {-total}: the training diverged, or a weight is NaN")
    # Variance of a ratio of sums over sequences (the linearised, or delta method).
    residuals = sums - total / n_predictions * counts
    variance = n_sequences / max(1, n_sequences - 1) * residuals.square().sum().item()
    error = math.sqrt(variance) / n_predictions if n_sequences > 1 else math.nan
    return LikelihoodReport(total, n_predictions, n_sequences, error, protocol)
