"""What moves weights: formulas to read, Muon and spectral descent, schedules."""

from aigc_tutorial.optim import formulas
from aigc_tutorial.optim.groups import JointOptimizer, split_parameters
from aigc_tutorial.optim.schedule import warmup_flat_decay
from aigc_tutorial.optim.spectral import SpectralDescent

__all__ = [
    "JointOptimizer",
    "SpectralDescent",
    "formulas",
    "split_parameters",
    "warmup_flat_decay",
]
