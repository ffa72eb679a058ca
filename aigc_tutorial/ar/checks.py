"""Checks of what is given to a model, at the doors where it comes in.

Shapes are checked wherever they matter. Values (is every token below V?) are checked where data
enter and not in ``forward``: there the check would wait for a GPU in every step, and could not be
exported.
"""

from typing import Any

from torch import Tensor


def check_tokens(tokens: Tensor, vocab_size: int, context: int | None = None) -> None:
    """Raise a ValueError unless ``tokens`` is a batch of sequences that the model can take.

    Only shape and length are checked; that every token is below ``vocab_size`` is checked on the
    CPU alone, since on a GPU the check would wait for the device.
    """
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
    if tokens.device.type == "cpu" and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocab_size:
        raise ValueError(
            f"tokens must lie in 0 … {vocab_size - 1}, got {int(tokens.min())} … "
            f"{int(tokens.max())}; was the text encoded with another tokenizer?"
        )


def check_levels(levels: Tensor, config: Any) -> None:
    """Raise a ValueError unless ``levels`` is a batch of images that the model can take.

    The values are checked on the CPU alone: on a GPU that would wait for the device.
    """
    if levels.ndim != 3 or levels.shape[1:] != config.image_shape[-2:]:
        height, columns = config.image_shape[-2:]
        raise ValueError(
            f"expected levels of shape (batch, {height}, {columns}), got {tuple(levels.shape)}"
        )
    if levels.device.type != "cpu" or len(levels) == 0:
        return
    lowest, highest = (int(extreme) for extreme in levels.aminmax())
    if lowest < 0 or highest >= config.n_levels:
        raise ValueError(
            f"levels must lie in 0 … {config.n_levels - 1}, got {lowest} … {highest}; "
            "data.levels.quantise makes them from images"
        )


def check_labels(labels: Tensor | None, config: Any, *, batch_size: int) -> None:
    """Raise a ValueError unless there are labels exactly if the model has classes, and fitting."""
    if config.n_classes is None:
        if labels is not None:
            raise ValueError("the model has no classes (n_classes is None); leave the labels away")
        return
    if labels is None:
        raise ValueError(
            f"the model is told each image's class: give labels 0 … {config.n_classes - 1}, "
            f"of shape ({batch_size},)"
        )
    if labels.shape != (batch_size,):
        raise ValueError(f"expected labels of shape ({batch_size},), got {tuple(labels.shape)}")
    if labels.device.type == "cpu" and len(labels):
        lowest, highest = (int(extreme) for extreme in labels.aminmax())
        if lowest < 0 or highest >= config.n_classes:
            raise ValueError(
                f"labels must lie in 0 … {config.n_classes - 1}, got {lowest} … {highest}"
            )
