"""The engine: devices, precision, schedules, checkpoints, tracking. It knows no loss."""

from aigc_tutorial.training.checkpoint import load_checkpoint, save_checkpoint
from aigc_tutorial.training.engine import Engine
from aigc_tutorial.training.history import History
from aigc_tutorial.training.interruption import TrainingInterrupted
from aigc_tutorial.training.loop import TrainingTask, run
from aigc_tutorial.training.tracking import CsvTracker, TensorBoardTracker, Tracker, Trackers
from aigc_tutorial.training.wandb_files import read_wandb
from aigc_tutorial.training.wandb_tracking import WandbTracker

__all__ = [
    "CsvTracker",
    "Engine",
    "History",
    "TensorBoardTracker",
    "Tracker",
    "Trackers",
    "TrainingInterrupted",
    "TrainingTask",
    "WandbTracker",
    "load_checkpoint",
    "read_wandb",
    "run",
    "save_checkpoint",
]
