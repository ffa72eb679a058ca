"""The IDX file format in which MNIST is distributed."""

import struct

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

_UNSIGNED_BYTE = 0x08


def parse_idx(content: bytes) -> UInt8[Tensor, "..."]:
    """Turn the bytes of an IDX file of unsigned bytes into a tensor.

    The header is two zero bytes, the type (0x08: unsigned byte), the number of axes, then the
    length of each axis as a big-endian 32-bit integer; the values follow, the last axis fastest.
    Source: http://yann.lecun.com/exdb/mnist, "The IDX file format".

    Raises:
        ValueError: if the header is another, or the values are too few or too many.
    """
    magic = content[:4]
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != _UNSIGNED_BYTE:
        raise ValueError(
            f"not an IDX file of unsigned bytes: it begins with {magic.hex(' ') or 'nothing'}, "
            "expected 00 00 08 and the number of axes"
        )
    n_axes = magic[3]
    start = 4 + 4 * n_axes
    if len(content) < start:
        raise ValueError(
            f"the IDX file is cut short: its header for {n_axes} axes needs {start} bytes, "
            f"found {len(content)}"
        )
    shape = struct.unpack(f">{n_axes}I", content[4:start])
    values = np.frombuffer(content, dtype=np.uint8, offset=start)
    if values.size != np.prod(shape, dtype=np.int64):
        raise ValueError(
            f"the IDX file announces the shape {shape}, but holds {values.size} values"
        )
    return torch.from_numpy(values.reshape(shape).copy())
