"""Checkpoints without pickle: tensors as safetensors, everything else as JSON.

A state is a tree of dictionaries, lists and tuples whose leaves are tensors, numbers, texts,
booleans or None: what ``state_dict()`` of modules and optimizers returns. It comes back exactly as
it was, integer keys and tuples included. Reading a stranger's checkpoint runs none of the
stranger's code.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from aigc_tutorial.files import replace_folder

_TENSORS = "tensors.safetensors"
_TREE = "tree.json"


def save_checkpoint(folder: str | Path, state: dict[str, Any]) -> None:
    """Write ``state`` into ``folder``, whole or not at all.

    Raises:
        TypeError: if a leaf is neither tensor, number, text, boolean nor None.
    """
    tensors: dict[str, Tensor] = {}
    tree = _encode(state, tensors, "")
    with replace_folder(folder) as temporary:
        save_file(tensors, temporary / _TENSORS)
        (temporary / _TREE).write_text(json.dumps(tree), encoding="utf-8")


def load_checkpoint(folder: str | Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote, tensors on the CPU.

    Raises:
        FileNotFoundError: if there is no checkpoint in ``folder``.
        ValueError: if its files are damaged.
    """
    folder = Path(folder)
    if not (folder / _TREE).is_file():
        raise FileNotFoundError(f"{folder} holds no checkpoint: {_TREE} is missing")
    try:
        tensors = load_file(folder / _TENSORS)
        tree = json.loads((folder / _TREE).read_text(encoding="utf-8"))
        return _decode(tree, tensors)
    except (SafetensorError, json.JSONDecodeError, KeyError) as error:
        raise ValueError(f"the checkpoint in {folder} is damaged: {error}") from error


def _encode(value: Any, tensors: dict[str, Tensor], path: str) -> Any:
    """Turn ``value`` into JSON, moving its tensors into ``tensors`` under their path's name."""
    if isinstance(value, Tensor):
        # A copy, since safetensors refuses tensors that share memory.
        tensors[path] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": path}
    if isinstance(value, dict):
        items = [[key, _encode(v, tensors, f"{path}/{key}")] for key, v in value.items()]
        return {"dict": items}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(v, tensors, f"{path}/{i}") for i, v in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint cannot hold the {type(value).__name__} at {path!r}")


def _decode(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _decode(value, tensors) for key, value in content}
    decoded = [_decode(value, tensors) for value in content]
    return tuple(decoded) if kind == "tuple" else decoded
