"""Trained models that come with the package, each with a card that says how it was made.

>>> names()
('mnist-classifier',)
>>> classifier = load("mnist-classifier")
>>> print(card("mnist-classifier"))
"""

from aigc_tutorial.zoo.card import Card, Machine, Metric
from aigc_tutorial.zoo.entries import (
    card,
    digit_reference,
    extra_tensors,
    load,
    names,
    rounded,
    save_entry,
)

__all__ = [
    "Card",
    "Machine",
    "Metric",
    "card",
    "digit_reference",
    "extra_tensors",
    "load",
    "names",
    "rounded",
    "save_entry",
]
