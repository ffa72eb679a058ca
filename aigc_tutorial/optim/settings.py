"""Ranges of the settings that optimizers share."""

import math


def check_rate(lr: float) -> None:
    """Raise a ValueError unless a learning rate is a number above 0."""
    if not 0 < lr < math.inf:
        raise ValueError(f"the learning rate must be above 0 and finite, got {lr}")


def check_share(name: str, value: float) -> None:
    """Raise a ValueError unless the share of an average that a step keeps is in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {value}")


def check_at_least(name: str, value: float, least: float) -> None:
    """Raise a ValueError unless a setting is a number of at least ``least``."""
    if not least <= value < math.inf:
        raise ValueError(f"{name} must be at least {least} and finite, got {value}")
