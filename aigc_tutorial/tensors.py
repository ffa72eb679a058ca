"""Named tensors in one safetensors file, with a sum of the content that finds any damage."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from aigc_tutorial.files import expand, replace_file

_SUM = "aigc_tutorial.sha256"
# With it, a file is known as ours even if the name of the sum is what was damaged.
_MARK = {"aigc_tutorial.layout": "1"}


def save_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str] | None = None
) -> None:
    """Write tensors and texts into one safetensors file, whole or not at all.

    Args:
        path: the file; :func:`aigc_tutorial.files.replace_file` says what happens to it.
        tensors: by name, on any device, no two sharing memory.
        texts: by name, for the file's metadata.

    Raises:
        ValueError: if a tensor is not dense.
    """
    with replace_file(path) as temporary:
        write_tensors(temporary, tensors, texts)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str] | None = None
) -> None:
    """Write a file as :func:`save_tensors` does, straight to ``path``."""
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided:
            raise ValueError(
                f"{name} is sparse ({tensor.layout}); a file holds dense tensors alone"
            )
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    texts = {**(texts or {}), **_MARK}
    save_file(stored, path, metadata={**texts, _SUM: _sum(stored, texts)})


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: what :func:`save_tensors` wrote, or another's.

    The tensors are copies, so that nothing keeps the file open: it can be replaced, on Windows too.

    Returns:
        The tensors on the CPU and the texts, by name. Another program's file is not verified.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged or no safetensors file; the message names it.
    """
    path = expand(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            texts: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # what a reader meets in a damaged file has no end
        raise ValueError(
            f"{path} is damaged or no safetensors file ({error}); restore it from a copy"
        ) from error
    is_ours = _SUM in texts or not _MARK.keys().isdisjoint(texts)
    if is_ours and texts.pop(_SUM, None) != _sum(tensors, texts):
        raise ValueError(
            f"{path} is damaged: its content is not what was written; restore it from a copy"
        )
    return tensors, {name: text for name, text in texts.items() if name not in _MARK}


def require_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuse tensors with NaN or an infinity.

    Args:
        tensors: by name.
        where: what holds them, the beginning of the error.

    Raises:
        ValueError: naming the first tensor with such a value.
    """
    for name, tensor in tensors.items():
        # The sum is finite unless a value is not or the sum is too large: one pass for most.
        if tensor.is_floating_point() and not tensor.sum().isfinite():
            n_bad = int((~tensor.isfinite()).sum())
            if n_bad:
                raise ValueError(
                    f"{where} {n_bad} values in {name} that are NaN or infinite; expected finite "
                    "weights"
                )


def _sum(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> str:
    """SHA-256 of all names, types, shapes, values and texts."""
    result = hashlib.sha256(repr(sorted(texts.items())).encode())
    for name, tensor in sorted(tensors.items()):
        result.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        content: Any = tensor.reshape(-1).view(torch.uint8).numpy()  # NumPy's types hide the buffer
        result.update(content)
    return result.hexdigest()


def content_hash(*tensors: Tensor) -> str:
    """A short text that two lists of tensors share if, and only if, their content is the same.

    Content is shape, dtype and values, wherever a tensor lives and however it lies in memory.
    """
    digest = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        digest.update(repr((str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
