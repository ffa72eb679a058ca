"""The engine: devices, precision, schedules, checkpoints, tracking. It knows no loss."""

from aigc_tutorial.training.checkpoint import load_checkpoint, save_checkpoint
from aigc_tutorial.training.engine import Engine
from aigc_tutorial.training.history import History
from aigc_tutorial.training.loop import TrainingTask, run
from aigc_tutorial.training.platform import tune_cpu
from aigc_tutorial.training.schedule import warmup_flat_decay
from aigc_tutorial.training.spectral import SpectralDescent
from aigc_tutorial.training.tracking import CsvTracker, TensorBoardTracker, Tracker

__all__ = [
    "CsvTracker",
    "Engine",
    "History",
    "SpectralDescent",
    "TensorBoardTracker",
    "Tracker",
    "TrainingTask",
    "load_checkpoint",
    "run",
    "save_checkpoint",
    "tune_cpu",
    "warmup_flat_decay",
]
