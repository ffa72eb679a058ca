"""Which layers of a model LoRA can adapt: plain linear maps with a matrix of their own."""

from collections import Counter
from collections.abc import Sequence

from torch import Tensor, nn

from aigc_tutorial.optim.groups import HasSymbolLayers


def chosen_layers(model: nn.Module, targets: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of the layers to adapt, in the model's order.

    Args:
        model: has no LoRA yet.
        targets: as :func:`aigc_tutorial.adaptation.add_lora` takes them.

    Raises:
        ValueError: if there is none, or one that is named cannot be adapted.
    """
    parts = dict(model.named_modules())
    # A module that stands in two places counts twice, and so does a matrix that two modules hold.
    holders = Counter(
        id(parameter)
        for _, module in model.named_modules(remove_duplicate=False)
        for parameter in module.parameters(recurse=False)
    )
    linear = [name for name, part in parts.items() if name and _is_linear(part)]
    shared = {name for name in linear if holders[id(parts[name].weight)] > 1}
    if targets is None:
        declared = model.symbol_layers() if isinstance(model, HasSymbolLayers) else ()
        symbols = {id(layer) for layer in declared}
        names = [n for n in linear if n not in shared and id(parts[n]) not in symbols]
        if not names:
            raise ValueError(
                f"the {type(model).__name__} has no linear layer to adapt but heads and layers "
                "that share their matrix; LoRA is for nn.Linear, and recurrent cells and "
                "convolutions are trained in full"
            )
        return tuple(names)
    chosen: set[str] = set()
    for target in [targets] if isinstance(targets, str) else targets:
        names = [target] if target in parts else [n for n in parts if n.endswith(f".{target}")]
        if not names or not target:
            raise ValueError(
                f"no layer of the {type(model).__name__} is called {target!r}; its linear layers "
                f"are {some_of(linear)}"
            )
        for name in names:
            if name not in linear:
                raise ValueError(
                    f"{name} is a {type(parts[name]).__name__}, and LoRA is for nn.Linear with "
                    f"floating-point weights; the linear layers are {some_of(linear)}"
                )
            if name in shared:
                raise ValueError(
                    f"{name} shares its matrix with another module, as a head does that is tied to "
                    "the embedding, and a correction would be its own alone; leave it out of the "
                    "targets, or untie it: give it a copy of the matrix"
                )
        chosen.update(names)
    if not chosen:
        raise ValueError("targets names no layer; give one or more, or None for all linear layers")
    return tuple(name for name in parts if name in chosen)


def _is_linear(module: nn.Module) -> bool:
    """Whether a layer is a plain linear map: one of another class may compute something else."""
    kind = type(module)
    is_known = kind is nn.Linear or is_transposed(module)
    return is_known and module.weight.is_floating_point()  # type: ignore[operator,union-attr]


def is_transposed(module: nn.Module) -> bool:
    """Whether a layer keeps its matrix as (d_in, d_out), as those of the library's GPT-2 do."""
    kind = type(module)
    return kind.__name__ == "Conv1D" and kind.__module__.startswith("transformers.")


def as_out_in(base: nn.Module, matrix: Tensor) -> Tensor:
    """From a layer's own layout of a matrix to (d_out, d_in), and back."""
    return matrix.T if is_transposed(base) else matrix


def some_of(names: Sequence[str]) -> str:
    """The first of many names."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
