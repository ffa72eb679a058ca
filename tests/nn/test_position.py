"""Rotary positions: lengths stay, and only distances count."""

import pytest
import torch

from aigc_tutorial.nn.position import RotaryPositions, rotate
from tests import second_device

CONTEXT, WIDTH = 40, 8


@pytest.fixture
def rotary():
    return RotaryPositions(WIDTH, CONTEXT, base=1000.0)


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_product_of_query_and_key_depends_on_their_distance_alone(rotary):
    query, key = noise(2, WIDTH)
    queries = rotate(query.expand(CONTEXT, WIDTH), rotary(0, CONTEXT))
    keys = rotate(key.expand(CONTEXT, WIDTH), rotary(0, CONTEXT))
    products = queries @ keys.T
    for distance in range(CONTEXT):
        diagonal = products.diagonal(-distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=0, atol=1e-5)
    assert products[:, 0].std() > 0.1  # and it does depend on the distance


def test_rotation_keeps_lengths(rotary):
    x = noise(3, CONTEXT, WIDTH)
    torch.testing.assert_close(rotate(x, rotary(0, CONTEXT)).norm(dim=-1), x.norm(dim=-1))


def test_position_zero_is_left_alone(rotary):
    x = noise(1, WIDTH)
    assert torch.equal(rotate(x, rotary(0, 1)), x)


def test_each_pair_of_components_turns_by_its_own_angle(rotary):
    x = noise(CONTEXT, WIDTH)
    turned = rotate(x, rotary(0, CONTEXT))
    half = WIDTH // 2
    for i in range(half):
        angles = torch.arange(CONTEXT, dtype=torch.float64) * 1000.0 ** (-2 * i / WIDTH)
        point = torch.complex(x[:, i].double(), x[:, i + half].double())
        expected = point * torch.polar(torch.ones_like(angles), angles)
        torch.testing.assert_close(turned[:, i].double(), expected.real, rtol=0, atol=1e-5)
        torch.testing.assert_close(turned[:, i + half].double(), expected.imag, rtol=0, atol=1e-5)


def test_later_positions_are_a_part_of_all(rotary):
    x = noise(CONTEXT, WIDTH)
    assert torch.equal(rotate(x[7:11], rotary(7, 11)), rotate(x, rotary(0, CONTEXT))[7:11])


def test_tables_are_no_weights(rotary):
    assert rotary.state_dict() == {}


@pytest.mark.parametrize(("width", "base"), [(7, 1000.0), (8, 1.0), (8, float("nan"))])
def test_impossible_settings_are_refused(width, base):
    with pytest.raises(ValueError, match="even number"):
        RotaryPositions(width, CONTEXT, base)


@pytest.mark.parametrize(("start", "stop"), [(0, CONTEXT + 1), (CONTEXT, CONTEXT + 1), (-1, 2)])
def test_positions_past_the_tables_are_refused(rotary, start, stop):
    with pytest.raises(ValueError, match=f"positions from 0 up to {CONTEXT}"):
        rotary(start, stop)


def test_the_tables_are_made_for_a_device_without_double_precision(rotary):
    with second_device.device():
        there = RotaryPositions(WIDTH, CONTEXT, base=1000.0)
    for here, table in zip(rotary(0, CONTEXT), there(0, CONTEXT), strict=True):
        assert table.device == second_device.device()
        assert torch.equal(table.cpu(), here)


def test_back_from_half_a_precision_the_tables_are_whole(rotary):
    before = [table.clone() for table in rotary(0, CONTEXT)]
    assert rotary.bfloat16()(0, CONTEXT)[0].dtype == torch.bfloat16
    for table, whole in zip(rotary.float()(0, CONTEXT), before, strict=True):
        assert torch.equal(table, whole)


def test_tables_of_a_model_without_values_are_made_where_it_gets_them(rotary):
    """They are in no file, and ``to_empty`` takes memory as it lies there."""
    with torch.device("meta"):
        empty = RotaryPositions(WIDTH, CONTEXT, base=1000.0)
    assert empty.cos.is_meta
    empty.to_empty(device="cpu")
    for table, whole in zip(empty(0, CONTEXT), rotary(0, CONTEXT), strict=True):
        assert torch.equal(table, whole)


def test_what_was_moved_in_inference_mode_can_be_trained(rotary):
    with torch.inference_mode():
        rotary.to("cpu")
    x = noise(CONTEXT, WIDTH).requires_grad_()
    rotate(x, rotary(0, CONTEXT)).sum().backward()
    assert x.grad is not None
