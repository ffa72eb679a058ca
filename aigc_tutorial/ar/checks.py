"""Checks of what is given to a model, at the doors where it comes in.

The doors are ``generate`` and its siblings, ``nll``, ``fit``, ``train`` and the evaluations. There
values are checked (is every token below V?), and what is safe to convert is converted. ``forward``
checks shapes alone: to look at values it would have to wait for a GPU in every step, and it could
not be exported.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from aigc_tutorial.data.checks import check_rows
from aigc_tutorial.integers import IntegersLike, as_int64, from_array, require_values


def check_shape(tokens: Tensor, context: int | None = None) -> None:
    """Raise a ValueError unless ``tokens`` has the shape of a batch that the model can take."""
    if tokens.ndim != 2 or tokens.shape[1] < 1:
        raise ValueError(
            "expected tokens of shape (batch, time) with time at least 1, got "
            f"{tuple(tokens.shape)}"
        )
    if context is not None and tokens.shape[1] > context:
        raise ValueError(
            f"the model takes at most {context} tokens, got {tokens.shape[1]}; keep the last ones: "
            f"tokens[:, -{context}:]"
        )


def check_range(tokens: Tensor, vocab_size: int) -> None:
    """Raise a ValueError unless every token is one of 0 … V - 1, on any device."""
    if tokens.numel() == 0:
        return
    require_values(tokens, "tokens")
    lowest, highest = (int(extreme) for extreme in tokens.aminmax())
    if not 0 <= lowest <= highest < vocab_size:
        raise ValueError(
            f"tokens must lie in 0 … {vocab_size - 1}, got {lowest} … {highest}; was the text "
            "encoded with another tokenizer?"
        )


def as_tokens(
    tokens: IntegersLike, vocab_size: int, context: int | None = None
) -> Int64[Tensor, "B T"]:
    """A batch of sequences that the model can take, on the device where it is.

    Raises:
        ValueError: if the tokens are not whole numbers in 0 … V - 1, have another shape, or are
            longer than the context.
    """
    batch = as_int64(tokens, "tokens", "encode a text with a tokenizer")
    check_shape(batch, context)
    check_range(batch, vocab_size)
    return batch


def as_mask(mask: Any, shape: torch.Size) -> Bool[Tensor, "..."]:
    """A boolean mask of tokens of this shape, from a tensor, a NumPy array or lists.

    An integer mask would be taken for segments or labels somewhere on the way, so none is guessed.

    Raises:
        ValueError: if it is not boolean, or of another shape.
    """
    try:
        values = mask if isinstance(mask, Tensor) else torch.as_tensor(from_array(mask, "mask"))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            "expected a boolean mask, a tensor or equally long lists of truth values, got "
            f"{type(mask).__name__} ({error})"
        ) from error
    if values.dtype != torch.bool:
        raise ValueError(
            "expected a boolean mask, True where there is a token to predict, got "
            f"{str(values.dtype).removeprefix('torch.')}; convert it: mask.bool(), or of NumPy's "
            "mask.astype(bool)"
        )
    if values.shape != shape:
        raise ValueError(
            f"expected a mask of the tokens' shape {tuple(shape)}, got {tuple(values.shape)}"
        )
    return values


def as_segments(segments: IntegersLike, shape: torch.Size) -> Int64[Tensor, "B T"]:
    """Segment numbers of tokens of this shape.

    Raises:
        ValueError: if they are not whole numbers, or of another shape.
    """
    numbers = as_int64(segments, "segments", "a mask comes before them")
    if numbers.shape != shape:
        raise ValueError(
            f"expected segments of the tokens' shape {tuple(shape)}, got {tuple(numbers.shape)}"
        )
    return numbers


def as_levels(
    levels: IntegersLike | Bool[Tensor, "..."], config: Any, *, look: bool = True
) -> Int64[Tensor, "B H W"]:
    """A batch of images of grey levels that a model with this configuration can take.

    Args:
        levels: whole numbers 0 … V - 1, or truth values for black and white.
        config: a ``PixelCNNConfig``.
        look: whether to look at the values, which has to wait for a GPU.

    Raises:
        ValueError: if they are something else, such as images in [0, 1].
    """
    remedy = "data.quantise makes them from images in [-1, 1]"
    numbers = as_int64(levels, "levels", remedy, truth_values=True)
    height, columns = config.image_shape[-2:]
    if numbers.ndim != 3 or numbers.shape[1:] != (height, columns):
        raise ValueError(
            f"expected levels of shape (batch, {height}, {columns}), got {tuple(numbers.shape)}"
        )
    if look and len(numbers):
        require_values(numbers, "levels")
        lowest, highest = (int(extreme) for extreme in numbers.aminmax())
        if not 0 <= lowest <= highest < config.n_levels:
            raise ValueError(
                f"levels must lie in 0 … {config.n_levels - 1}, got {lowest} … {highest}; {remedy}"
            )
    return numbers


def on_cpu(tensor: Any) -> bool:
    """Whether looking at the values costs nothing: elsewhere one would wait for the device."""
    return not isinstance(tensor, Tensor) or tensor.device.type == "cpu"


def as_training_data(model: Any, data: Any) -> Any:
    """Data that ``train`` learns from, looked at once, on any device.

    Rows with nothing to predict do not count, so they are left out.

    Args:
        model: has ``check_rows``, as every model here does.
        data: a long text (N,); rows, alone or in a tuple with what belongs to them; or batches
            made elsewhere, which are returned as they are.

    Raises:
        ValueError: if the model cannot learn from the data, or there is nothing to predict.
    """
    if isinstance(data, tuple):
        return _rows_to_predict(check_rows(model, data))
    if hasattr(data, "__next__"):
        return data
    if not isinstance(data, Tensor | np.ndarray):
        if not isinstance(data, Sequence | int | np.integer):
            raise ValueError(
                f"expected a text or rows as whole numbers, or an iterator over batches, got "
                f"{type(data).__name__}; of a data set give the tensors that the model learns from"
            )
        if isinstance(data, list) and any(isinstance(x, Tensor | np.ndarray) for x in data):
            raise ValueError(
                "expected a text or rows as whole numbers, got a list of tensors; rows and what "
                "belongs to them come in a tuple, (tokens, mask), and sequences become rows by "
                "data.pad_sequences or data.pack_sequences"
            )
        if hasattr(model, "vocab_size"):
            data = as_int64(data, "tokens", "encode a text with a tokenizer")
        else:
            data = model.check_rows(data)[0]  # images as lists, of truth values too
    # A model of images has no text that could be cut into windows.
    if data.ndim != 1 or not hasattr(model, "vocab_size"):
        return model.check_rows(data)[0]
    text = as_int64(data, "tokens", "encode a text with a tokenizer")
    check_range(text, model.vocab_size)
    return text


def check_trainable(model: Any) -> None:
    """Refuse a model that no gradient can train.

    Raises:
        ValueError: if it has no parameter to train, no values, or no likelihood to learn by.
    """
    kind = type(model).__name__
    if not hasattr(model, "check_rows"):
        raise ValueError(
            f"{kind} has no check_rows; expected a model of tokens or of pixels. Others have a "
            "training loop of their own"
        )
    parameters = list(model.parameters())
    if not any(parameter.requires_grad for parameter in parameters):
        how = "all are frozen" if parameters else "it has none; an n-gram model counts: model.fit"
        raise ValueError(f"{kind} has no parameters to train: {how}")
    require_values_of(model)
    if any(parameter.is_inference() for parameter in parameters):
        raise ValueError(
            f"the {kind} was built within torch.inference_mode, so that its weights have no "
            "gradients for ever; build or load it outside, or copy it there: copy.deepcopy(model)"
        )


def require_values_of(model: Any) -> None:
    """Refuse a model on the meta device.

    Raises:
        ValueError: if one of its parameters is there.
    """
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ValueError(
            f"the {type(model).__name__} is on the meta device, which holds no values; build it on "
            "the CPU"
        )


def _rows_to_predict(rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    mask = next((part for part in rows if part.dtype == torch.bool), None)
    if mask is None:
        return rows
    kept = mask[:, 1:].any(dim=1)
    if not kept.any():
        raise ValueError(
            "there is nothing to predict: the mask is False everywhere but at first tokens, which "
            "are given"
        )
    return rows if kept.all() else tuple(part[kept.to(part.device)] for part in rows)


def check_predictions(n_predictions: int) -> None:
    """Refuse a batch in which nothing is predicted: its mean loss would be 0 / 0.

    Raises:
        ValueError: if there is nothing to predict.
    """
    if n_predictions < 1:
        raise ValueError(
            "a batch holds nothing to predict: its mask is False everywhere but at first tokens, "
            "which are given; leave such rows out"
        )


def check_losses(nll: Tensor, rows: Tensor, model_name: str) -> None:
    """Refuse what a model of the reader's own returns for a batch, unless it is a loss a token.

    The trainer adds up and divides by the number of tokens: of a mean it would record, and go down,
    a small part.

    Args:
        nll: what ``model.nll`` returned.
        rows: the tokens (B, T), or the images (B, H, W).
        model_name: of the model's class.

    Raises:
        ValueError: if there are more or fewer than tokens or pixels to predict.
    """
    predicted = rows if rows.ndim > 2 else rows[:, 1:]
    if nll.numel() != predicted.numel():
        raise ValueError(
            f"{model_name}.nll returned the shape {tuple(nll.shape)} for a batch of "
            f"{tuple(rows.shape)}; expected a loss for each that is predicted, "
            f"{tuple(predicted.shape)}, 0 where a mask is False; of torch's cross_entropy that is "
            'reduction="none"'
        )
