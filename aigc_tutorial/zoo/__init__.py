"""Trained models that come with the package, each with a card that says how it was made.

>>> from aigc_tutorial import zoo
>>> "mnist-classifier" in zoo.names()
True
>>> classifier = zoo.load("mnist-classifier")
>>> classifier.image_shape
(1, 28, 28)
>>> zoo.card("mnist-classifier").licence
'MIT'

``print(zoo.card(name))`` shows all that is known about a model. A model of text has its tokenizer
beside it:

>>> zoo.tokenizer("english-bytes").vocab_size
256
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
    tokenizer,
)
from aigc_tutorial.zoo.hub import model_card, push_to_hub

__all__ = [
    "Card",
    "Machine",
    "Metric",
    "card",
    "digit_reference",
    "extra_tensors",
    "load",
    "model_card",
    "names",
    "push_to_hub",
    "rounded",
    "save_entry",
    "tokenizer",
]
