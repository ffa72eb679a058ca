"""A Transformer without a part lacks this part, and nothing else."""

import dataclasses
import typing
from typing import Any

import pytest
import torch

from aigc_tutorial.ar.causality import influence
from aigc_tutorial.ar.models.ablated import AblatedTransformer, AblatedTransformerConfig, Part
from aigc_tutorial.ar.models.transformer import Transformer, TransformerConfig
from aigc_tutorial.nn.norm import rms_norm
from tests.ar import checks

SIZES: dict[str, Any] = {"vocab_size": 11, "context": 10, "n_layers": 2, "n_heads": 2, "width": 8}
PARTS: tuple[Part, ...] = typing.get_args(Part)


def without(*parts: Part, **settings: int) -> AblatedTransformer:
    config = AblatedTransformerConfig(**(SIZES | settings), without=parts)
    return checks.randomize(AblatedTransformer(config), scale=0.8)


def tokens() -> torch.Tensor:
    return checks.random_tokens(without(), 2, 10)


def test_with_all_parts_it_is_the_transformer() -> None:
    whole = checks.randomize(Transformer(TransformerConfig(**SIZES)), scale=0.8)
    same = without()
    assert torch.equal(same(tokens()), whole(tokens()))
    assert torch.equal(same.attention_maps(tokens()), whole.attention_maps(tokens()))


@pytest.mark.parametrize("part", [part for part in PARTS if part != "zero initialisation"])
def test_each_part_makes_a_difference_to_the_logits(part: Part) -> None:
    assert (without(part)(tokens()) - without()(tokens())).abs().max() > 1e-3


@pytest.mark.parametrize("part", [part for part in PARTS if part != "mask"])
def test_what_is_left_is_causal_and_decodes_with_its_cache(part: Part) -> None:
    checks.assert_causal(without(part), tokens())
    checks.assert_cached_equals_uncached(without(part), tokens())


def test_without_the_mask_all_tokens_of_the_segment_matter() -> None:
    model = without("mask")
    assert (influence(model, tokens()) > 0).all()
    segments = (torch.arange(10) >= 6).long().expand(2, -1)
    seen = model.attention_mask(10, 10, segments)
    assert seen is not None
    assert torch.equal(seen[0, 0], segments[0][:, None] == segments[0][None])


def test_without_positions_the_order_of_earlier_tokens_is_lost() -> None:
    """One layer of attention is a mean over a set; with positions it is not."""
    shuffled = torch.cat([tokens()[:, :-1].flip(1), tokens()[:, -1:]], dim=1)
    for parts, same in ((("positions",), True), ((), False)):
        model = without(*parts, n_layers=1, token_shift=0)
        last, last_of_shuffled = model(tokens())[:, -1], model(shuffled)[:, -1]
        assert torch.allclose(last, last_of_shuffled, atol=1e-4) == same


def test_positions_do_not_come_back_with_another_type() -> None:
    model = without("positions", n_layers=1, token_shift=0)
    before = model(tokens())
    assert torch.equal(model.double().float()(tokens()), before)


def test_without_attention_only_the_token_itself_matters() -> None:
    found = influence(without("attention", token_shift=0), tokens())
    assert torch.equal(found > 0, torch.eye(10, dtype=torch.bool))


def test_maps_read_what_attention_reads() -> None:
    """Without norms the first block's attention reads the stream itself, here of another size."""
    for parts in ((), ("norm",)):
        model = without(*parts, token_shift=1)
        x = 3 * torch.randn(1, 10, 8, generator=torch.Generator().manual_seed(0))
        block: Any = model.blocks[0]
        expected = x if parts else rms_norm(x)
        assert torch.equal(block.normalised(x), expected)


def test_initial_projections() -> None:
    new = {
        parts: AblatedTransformer(AblatedTransformerConfig(**SIZES, without=parts))
        for parts in ((), ("zero initialisation",), ("residual stream",))
    }
    assert not new[()](tokens()).any()
    for parts in (("zero initialisation",), ("residual stream",)):
        blocks: Any = new[parts].blocks
        assert all(block.down.weight.any() for block in blocks)
    assert new["zero initialisation",](tokens()).std() > 0.3


def test_an_unknown_part_is_refused() -> None:
    config = AblatedTransformerConfig(**SIZES)
    unknown: Any = ("position",)
    with pytest.raises(ValueError, match="'positions'"):
        dataclasses.replace(config, without=unknown)


def test_weights_are_those_of_the_whole() -> None:
    whole = checks.randomize(Transformer(TransformerConfig(**SIZES)))
    without("attention").load_state_dict(whole.state_dict())
