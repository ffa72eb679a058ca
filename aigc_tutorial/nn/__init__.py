"""Blocks that both families use."""

from aigc_tutorial.nn.activation import relu_squared
from aigc_tutorial.nn.attention import (
    CausalSelfAttention,
    KeyValueCache,
    attend,
    attention_probabilities,
    causal_mask,
    segment_mask,
)
from aigc_tutorial.nn.ema import EMA
from aigc_tutorial.nn.mode import (
    devices_restored,
    evaluation_mode,
    frozen,
    gradients_on,
    seeded_weights,
)
from aigc_tutorial.nn.norm import rms_norm
from aigc_tutorial.nn.position import RotaryPositions, rotate
from aigc_tutorial.nn.precision import autocast_off, full_precision
from aigc_tutorial.nn.pretrained import Pretrained, count_parameters
from aigc_tutorial.nn.quantiser import Quantised, VectorQuantiser, straight_through
from aigc_tutorial.nn.token_shift import TokenShift

__all__ = [
    "EMA",
    "CausalSelfAttention",
    "KeyValueCache",
    "Pretrained",
    "Quantised",
    "RotaryPositions",
    "TokenShift",
    "VectorQuantiser",
    "attend",
    "attention_probabilities",
    "autocast_off",
    "causal_mask",
    "count_parameters",
    "devices_restored",
    "evaluation_mode",
    "frozen",
    "full_precision",
    "gradients_on",
    "relu_squared",
    "rms_norm",
    "rotate",
    "seeded_weights",
    "segment_mask",
    "straight_through",
]
