"""Exported models, each made once for all tests of a process."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from aigc_tutorial import deploy, zoo

Export = Callable[[str], tuple[Any, Path]]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Returns a model of the zoo and the folder that it was exported to."""

    @cache
    def make(name: str) -> tuple[Any, Path]:
        model = zoo.load(name)
        is_text = hasattr(model, "vocab_size")
        folder = tmp_path_factory.mktemp(name) / "export"
        deploy.export(model, folder, tokenizer=zoo.tokenizer(name) if is_text else None)
        return model, folder

    return make


@pytest.fixture
def rng() -> torch.Generator:
    """A source of randomness, seeded."""
    return torch.Generator().manual_seed(0)
