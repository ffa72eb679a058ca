"""Shared set-up of the tests: shapes are checked at run time, torch keeps to few threads."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import jaxtyping
import pytest
import torch
from hypothesis import settings

from tests import second_device, shape_checks

# Must run before the package is imported: every annotated function then checks shapes and dtypes.
# The hook decorates them with what stands under this name.
jaxtyping.jaxtyped = shape_checks.jaxtyped  # type: ignore[misc,assignment]
jaxtyping.install_import_hook("aigc_tutorial", "tests.shape_checks.typechecked")

if second_device.is_possible():  # now, since autograd counts devices at its first backward pass
    second_device.device()

# No deadline: how long one example takes says more about the machine's other work than about us.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


@pytest.fixture(autouse=True)
def _subnormal_numbers() -> None:
    """Undo what `tune_cpu` in an earlier test set for the whole process."""
    torch.set_flush_denormal(False)
