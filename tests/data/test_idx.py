"""The IDX format: what is read, and what each kind of damage is called."""

import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_tutorial.data.idx import parse_idx


def idx_bytes(tensor):
    header = struct.pack(f">BBBB{tensor.ndim}I", 0, 0, 8, tensor.ndim, *tensor.shape)
    return header + bytes(tensor.flatten().int().tolist())


@settings(deadline=None)  # a loaded machine is no failure
@given(shape=st.lists(st.integers(0, 5), min_size=1, max_size=4), seed=st.integers(0, 100))
def test_what_was_written_is_read(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    tensor = torch.randint(256, shape, generator=generator).to(torch.uint8)
    assert torch.equal(parse_idx(idx_bytes(tensor)), tensor)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with nothing"),
        (b"\0\0\x08", "begins with 00 00 08"),
        (b"<html>no such file</html>", "begins with 3c 68 74 6d"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "begins with 00 00 0d 01"),  # 32-bit floats
        (b"\0\0\x08\x02\0\0\0\x01", "cut short: its header for 2 axes needs 12 bytes, found 8"),
        (idx_bytes(torch.zeros(2, 3))[:-1], r"shape \(2, 3\), but holds 5 values"),
        (idx_bytes(torch.zeros(2, 3)) + b"\0", r"shape \(2, 3\), but holds 7 values"),
    ],
)
def test_damage_is_named(content, message):
    with pytest.raises(ValueError, match=message):
        parse_idx(content)
