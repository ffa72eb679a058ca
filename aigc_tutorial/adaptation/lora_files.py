"""The factors of a LoRA in a file of their own, thousands of numbers where the model has millions.

They mean something beside the weights alone that they were learned beside, so the file knows these.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from aigc_tutorial.adaptation.lora import add_lora, existing_lora, lora_layers
from aigc_tutorial.config import Config, from_json, to_json
from aigc_tutorial.files import expand
from aigc_tutorial.tensors import content_hash, load_tensors, require_finite, save_tensors

LORA_NAME = "lora.safetensors"
"""Name of the file in its folder."""

_TEXT = "lora"


@dataclass(frozen=True)
class _Description(Config):
    """What the file says besides the factors."""

    rank: int
    alpha: float
    layers: tuple[str, ...]
    base: str


def save_lora(model: nn.Module, folder: str | Path) -> None:
    """Write the factors into ``lora.safetensors`` in ``folder``, whole or not at all.

    Args:
        model: has LoRA; whether it is merged makes no difference.
        folder: is made if it is missing; what else it holds stays.

    Raises:
        ValueError: if the model has no LoRA, or several of different rank or scale in its parts,
            learned something besides the factors, which would be lost, or holds NaN or an infinity.
        OSError: if the file cannot be written.
    """
    layers = existing_lora(model)
    factors = {f"{name}.{x}": getattr(layer, x) for name, layer in layers.items() for x in "AB"}
    if others := [n for n, p in model.named_parameters() if p.requires_grad and n not in factors]:
        raise ValueError(
            f"besides LoRA's factors {others[0]} is trained, which the file would not hold; save "
            "the part that has LoRA, such as classifier.backbone, or freeze the rest before the "
            "training"
        )
    require_finite(factors, "the LoRA is not saved: it has")
    first, *rest = layers.items()
    for name, layer in rest:
        if (layer.rank, layer.scale) != (first[1].rank, first[1].scale):
            raise ValueError(
                f"{name} has rank {layer.rank} and scale {layer.scale:g}, and {first[0]} "
                f"{first[1].rank} and {first[1].scale:g}: a file holds one LoRA, and these were "
                "added one by one; save each part that was adapted into a folder of its own"
            )
    description = _Description(
        rank=first[1].rank,
        alpha=first[1].scale * first[1].rank,
        layers=tuple(layers),
        base=_base_of(model),
    )
    save_tensors(expand(folder) / LORA_NAME, factors, {_TEXT: to_json(description)})


def load_lora(model: nn.Module, folder: str | Path) -> tuple[str, ...]:
    """Put the factors that :func:`save_lora` wrote beside the weights that they belong to.

    The model is then as :func:`aigc_tutorial.adaptation.add_lora` leaves it: all else is frozen.

    Args:
        model: without LoRA, with exactly the weights that the factors were learned beside.
        folder: holds ``lora.safetensors``.

    Returns:
        The names of the adapted layers.

    Raises:
        FileNotFoundError: if the folder holds no such file.
        ValueError: if the file is damaged, the model has other weights, or has LoRA already.
    """
    path = expand(folder) / LORA_NAME
    factors, texts = load_tensors(path)
    if _TEXT not in texts:
        raise ValueError(
            f"{path} holds no LoRA of this package; save_lora(model, folder) writes it"
        )
    description = from_json(_Description, texts[_TEXT])
    if description.base != (base := _base_of(model)):
        raise ValueError(
            f"{path} was learned beside other weights than this {type(model).__name__} has (sum "
            f"{description.base[:8]}, here {base[:8]}), with which it would mean nothing; load the "
            "model that it was added to, and before LoRA or a training changes it"
        )
    require_finite(factors, f"{path} holds")
    # What is drawn here is overwritten.
    names = add_lora(
        model,
        rank=description.rank,
        alpha=description.alpha,
        targets=description.layers,
        rng=torch.Generator().manual_seed(0),
    )
    with torch.no_grad():
        for name, layer in lora_layers(model).items():
            layer.A.copy_(factors[f"{name}.A"])
            layer.B.copy_(factors[f"{name}.B"])
    return names


def _base_of(model: nn.Module) -> str:
    """A text that tells a model's own weights from others, LoRA or not."""
    state = model.state_dict()
    for name in lora_layers(model):
        del state[f"{name}.A"], state[f"{name}.B"]
        for part in ("weight", "bias"):
            if (key := f"{name}.base.{part}") in state:
                state[f"{name}.{part}"] = state.pop(key)
    return content_hash(*(state[name] for name in sorted(state)))
