"""What the commands that train have in common: where, on what, and who is told of it."""

import dataclasses
import datetime
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aigc_tutorial.cli.parsing import check_seed
from aigc_tutorial.config import Config
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.files import expand, writable_folder
from aigc_tutorial.nn import Pretrained, count_parameters
from aigc_tutorial.training import (
    CsvTracker,
    Engine,
    TensorBoardTracker,
    Tracker,
    Trackers,
    WandbTracker,
)
from aigc_tutorial.zoo.card import Card, Machine, Metric

UNNAMED = ("run_options", "training")
"""Parts of a command whose settings are flags without the part's name before them."""
REQUIRED = ("folder",)

_CHECKPOINTS = 20


@dataclass(frozen=True)
class RunOptions(Config):
    """What a run begins with, what it runs on, and where its numbers go.

    Attributes:
        seed: decides weights, order of the data and all else that is random.
        device: "cpu", "cuda", "mps"; by default the GPU where there is one.
        precision: of the forward pass; bf16 is faster on GPUs and on processors with AMX.
        checkpoint_every: images or tokens from one checkpoint to the next; by default a twentieth
            of the budget. Ctrl-C makes one in any case.
        track: where the numbers go besides the screen: log.csv, TensorBoard's files, and an offline
            run of Weights & Biases, which leaves this machine only by `wandb sync`. By default csv,
            and tensorboard where it is installed.
    """

    seed: int = 0
    device: str | None = None
    precision: Literal["no", "bf16", "fp16"] = "no"
    checkpoint_every: int | None = None
    track: tuple[Literal["csv", "tensorboard", "wandb"], ...] = ()

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        check_seed(self.seed)
        self.require("checkpoint_every", at_least=1)

    def engine(self) -> Engine:
        """Device and precision."""
        tune_cpu()
        return Engine(device=self.device, mixed_precision=self.precision)

    def every(self, budget: int) -> int:
        """How much data there is from one checkpoint to the next."""
        return self.checkpoint_every or max(1, budget // _CHECKPOINTS)

    def tracker(self, folder: Path, settings: Mapping[str, Any]) -> Tracker:
        """What receives the numbers.

        Args:
            folder: of the run.
            settings: of the run, for trackers that show them.
        """
        kinds = self.track
        if not kinds:
            has_tensorboard = importlib.util.find_spec("tensorboard") is not None
            kinds = ("csv", "tensorboard") if has_tensorboard else ("csv",)
        folder = writable_folder(folder)
        makers: dict[str, Callable[[], Tracker]] = {
            "csv": lambda: CsvTracker(folder / "log.csv"),
            "tensorboard": lambda: TensorBoardTracker(folder / "tensorboard"),
            "wandb": lambda: WandbTracker(folder / "wandb", name=folder.name, settings=settings),
        }
        return Trackers(*(makers[kind]() for kind in dict.fromkeys(kinds)))

    def card(
        self,
        folder: Path,
        *,
        title: str,
        model: Pretrained,
        recipe: Mapping[str, Any],
        data: str,
        data_source: str,
        command: str,
        n_seen: int,
        unit: str,
        seconds: float,
        engine: Engine,
        metrics: Mapping[str, Metric],
    ) -> Card:
        """The card of the run: what it was, and what was measured."""
        return Card(
            name=expand(folder).absolute().name,
            title=title,
            model=type(model).__name__,
            n_parameters=count_parameters(model),
            data=data,
            data_source=data_source,
            command=command,
            recipe=dict(recipe),
            seed=self.seed,
            n_seen=n_seen,
            unit=unit,
            seconds=round(seconds, 1),
            machine=Machine.here(engine.device),
            metrics=dict(metrics),
            licence="not stated",
            created=datetime.date.today().isoformat(),
        )


def settings_of_run(options: RunOptions, **parts: Any) -> dict[str, Any]:
    """All that decides a run, flat and as built-in types: what ``run.json`` holds.

    Args:
        options: of the run; where it is written and who is told of it decide nothing.
        **parts: configurations and single settings by name.
    """
    settings: dict[str, Any] = {}
    for name, part in parts.items():
        if dataclasses.is_dataclass(part) and not isinstance(part, type):
            fields = dataclasses.asdict(part)
            settings |= {f"{name}.{key}": value for key, value in fields.items()}
        else:
            settings[name] = part
    return settings | {"seed": options.seed, "precision": options.precision}
