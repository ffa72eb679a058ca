"""Blocks that both families use."""

from aigc_tutorial.nn.ema import EMA
from aigc_tutorial.nn.pretrained import Pretrained, count_parameters

__all__ = ["EMA", "Pretrained", "count_parameters"]
