"""Generative adversarial networks and autoregressive models, taught by code that runs.

Subpackages are loaded when they are first used, so that ``import aigc_tutorial`` costs no more
than importing torch:

>>> import aigc_tutorial as aigc
>>> generator = aigc.zoo.load("mnist-conv-gan")
>>> digits = generator.sample(16)
"""

import importlib
from types import ModuleType

import torch  # noqa: F401  imported first, so that a missing torch is reported by its own name

__version__ = "0.1.0"

_SUBMODULES = (
    "adaptation",
    "ar",
    "cpu",
    "data",
    "deploy",
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
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
