"""Generative adversarial networks and autoregressive models, taught by code that runs.

Subpackages are loaded when they are first used, and torch with the first of them, so that
``import aigc_tutorial`` costs next to nothing:

>>> import aigc_tutorial as aigc
>>> generator = aigc.zoo.load("mnist-conv-gan")
>>> digits = generator.sample(16)
"""

import importlib
from types import ModuleType

__version__ = "0.1.0"

_SUBMODULES = (
    "adaptation",
    "ar",
    "cpu",
    "data",
    "deploy",
    "doctor",
    "environment",
    "evaluation",
    "exercises",
    "gan",
    "nn",
    "optim",
    "pages",
    "tokenizers",
    "training",
    "viz",
    "zoo",
)

__all__ = ["__version__", *_SUBMODULES]


def __getattr__(name: str) -> ModuleType:
    if name in _SUBMODULES:
        importlib.import_module("torch")  # first, so that a missing one is reported by its own name
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
