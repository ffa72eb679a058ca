"""What moves weights: formulas to read, Muon and spectral descent, schedules."""

from aigc_tutorial.optim import formulas
from aigc_tutorial.optim.groups import JointOptimizer, layer_weights, split_parameters
from aigc_tutorial.optim.muon import Muon, orthogonalise, spectral_descent
from aigc_tutorial.optim.schedule import warmup_flat_decay

__all__ = [
    "JointOptimizer",
    "Muon",
    "formulas",
    "layer_weights",
    "orthogonalise",
    "spectral_descent",
    "split_parameters",
    "warmup_flat_decay",
]
