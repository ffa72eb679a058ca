"""Named tensors in one safetensors file, with a sum of the content that finds any damage."""

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save, save_file
from torch import Tensor

from aigc_tutorial.files import expand, replace_file

_SUM = "aigc_tutorial.sha256"
# With it, a file is known as ours even if the name of the sum is what was damaged.
_MARK = {"aigc_tutorial.layout": "1"}
# Longer headers are written by the library, and refused by it when it reads.
_LONGEST_HEADER = 100_000_000


def save_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str] | None = None
) -> None:
    """Write tensors and texts into one safetensors file, whole or not at all.

    Args:
        path: the file; :func:`aigc_tutorial.files.replace_file` says what happens to it.
        tensors: by name, on any device; those that share memory are written as often as they have
            a name.
        texts: by name, for the file's metadata.

    Raises:
        ValueError: if a tensor is not dense or of a type that the format lacks, or if the texts are
            longer than it allows.
        OSError: if the file cannot be written: the disk is full, say.
    """
    with replace_file(path) as temporary:
        write_tensors(temporary, tensors, texts)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str] | None = None
) -> None:
    """Write a file as :func:`save_tensors` does, straight to ``path``."""
    stored: dict[str, Tensor] = {}
    memory: set[int] = set()
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided:
            raise ValueError(
                f"{name} is sparse ({tensor.layout}); a file holds dense tensors alone"
            )
        if not is_storable(tensor.dtype):
            raise ValueError(f"{name} is of the type {tensor.dtype}, which safetensors files lack")
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
        address = tensor.untyped_storage().data_ptr()
        stored[name] = tensor.clone() if address in memory else tensor
        memory.add(address)
    texts = {**(texts or {}), **_MARK}
    if sum(len(json.dumps(text)) for text in texts.values()) > _LONGEST_HEADER // 2:
        raise ValueError(
            f"the texts for {path.name} are longer than a safetensors file can hold; store them as "
            "a tensor of bytes"
        )
    try:
        save_file(stored, path, metadata={**texts, _SUM: _sum(stored, texts)})
    except SafetensorError as error:
        raise OSError(f"{path} could not be written: {error}") from error
    _sort_texts(path)


def is_dense(tensor: Tensor) -> bool:
    """Whether a tensor's numbers fill its memory, in whatever order: it is no part of another."""
    return torch.empty_like(tensor, device="meta").stride() == tensor.stride()


@functools.cache
def is_storable(dtype: torch.dtype) -> bool:
    """Whether safetensors files know a type; they lack ``torch.complex128``."""
    try:
        save({"": torch.empty(0, dtype=dtype, device="cpu")})
    except Exception:  # of whatever kind: the library's own words differ between its versions
        return False
    return True


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: what :func:`save_tensors` wrote, or another's.

    The file is opened once and read whole, so that who replaces it meanwhile is not noticed: all
    is from the old file. Nothing keeps it open afterwards: it can be replaced, on Windows too.

    Returns:
        The tensors on the CPU and the texts, by name. Another program's file is not verified.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged or no safetensors file; the message names it.
    """
    path = expand(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    content = path.read_bytes()
    try:
        tensors = load(content)
        texts = _texts(content)
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


def is_finite(tensor: Tensor) -> bool:
    """Whether a tensor holds neither NaN nor an infinity, or is a mask.

    A mask that is added to scores is made of zeros and -inf, as of the future in attention; it is
    constant, and its infinities are meant.
    """
    if not tensor.is_floating_point() and not tensor.is_complex():
        return True
    finite = tensor.isfinite()
    if bool(finite.all()):
        return True
    if tensor.ndim < 2 or tensor.is_complex() or not bool(finite.any()):
        return False
    return bool((finite | (tensor == -torch.inf)).all() and (tensor[finite] == 0).all())


def require_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuse tensors with NaN or an infinity, but for masks as :func:`is_finite` knows them.

    Args:
        tensors: by name.
        where: what holds them, the beginning of the error.

    Raises:
        ValueError: naming the first tensor with such a value.
    """
    for name, tensor in tensors.items():
        if tensor.is_meta:
            raise ValueError(f"{where} no values in {name}, which is on the meta device")
        if tensor.is_floating_point() and tensor.itemsize == 1:
            tensor = tensor.float()  # with eight bits nothing is computed
        # The sum is finite unless a value is not or the sum is too large: one pass for most.
        if tensor.is_floating_point() and tensor.sum().isfinite():
            continue
        if not is_finite(tensor):
            raise ValueError(
                f"{where} {int((~tensor.isfinite()).sum())} values in {name} that are NaN or "
                "infinite; expected finite weights"
            )


def _sort_texts(path: Path) -> None:
    """Bring a file's texts into their order, so that files of equal content are equal.

    The library writes them in another one each time.
    """
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) <= length:  # spaces fill it up, as the library does
            file.seek(8)
            file.write(text.ljust(length))


def _texts(content: bytes) -> dict[str, str]:
    """The metadata of a safetensors file: its header is JSON after its length in eight bytes."""
    length = int.from_bytes(content[:8], "little")
    texts: dict[str, str] = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    return texts


def _sum(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> str:
    """SHA-256 of all names, types, shapes, values and texts."""
    result = hashlib.sha256(repr(sorted(texts.items())).encode())
    for name, tensor in sorted(tensors.items()):
        result.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        result.update(_bytes(tensor))
    return result.hexdigest()


def content_hash(*tensors: Tensor) -> str:
    """A short text that two lists of tensors share if, and only if, their content is the same.

    Content is shape, dtype and values, wherever a tensor lives and however it lies in memory.
    """
    digest = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        digest.update(repr((str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(_bytes(tensor.detach().cpu().resolve_conj().resolve_neg()))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> Any:  # NumPy's types hide the buffer
    """What a tensor on the CPU holds, in the order of its indices."""
    # The stride of an axis of one number may be any, and a view as bytes takes none but 1.
    flat = tensor.contiguous().as_strided((tensor.numel(),), (1,))
    return flat.view(torch.uint8).numpy().data
