"""The card that comes with every trained model: where its weights and its numbers come from."""

import dataclasses
import datetime
import json
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from aigc_tutorial.config import from_dict
from aigc_tutorial.files import read_json
from aigc_tutorial.zoo.words import in_words

# Named here, since in the body of `Machine` the name torch is a field.
Device = str | torch.device


@dataclass(frozen=True)
class Machine:
    """Where a model was trained.

    Attributes:
        processor: Model of the CPU.
        n_cores: Cores that the system offers.
        n_threads: Threads that torch used for one operation.
        accelerator: Model of the GPU that was used, or "none".
        torch: Version of torch.
        python: Version of Python.
        system: Operating system.
    """

    processor: str
    n_cores: int
    n_threads: int
    accelerator: str
    torch: str
    python: str
    system: str

    @classmethod
    def here(cls, device: Device = "cpu") -> "Machine":
        """Describe this machine.

        Args:
            device: What the training ran on.
        """
        device = torch.device(device)
        return cls(
            processor=_processor_name(),
            n_cores=os.cpu_count() or 1,
            n_threads=torch.get_num_threads(),
            accelerator="none" if device.type == "cpu" else _accelerator_name(device),
            torch=torch.__version__,
            python=platform.python_version(),
            system=f"{platform.system()} {platform.machine()}",
        )

    def __str__(self) -> str:
        """One line for a table."""
        what = self.processor if self.accelerator == "none" else self.accelerator
        threads = "1 thread" if self.n_threads == 1 else f"{self.n_threads} threads"
        return f"{what}, {self.n_cores} cores, {threads}, torch {self.torch}"


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            label, _, value = line.partition(":")
            if label.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _accelerator_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@dataclass(frozen=True)
class Metric:
    """A measured number and how it was measured.

    Attributes:
        value: The number.
        n_samples: Samples that it was measured on.
        protocol: What was done, in a sentence; enough to measure it again.
    """

    value: float
    n_samples: int
    protocol: str


@dataclass(frozen=True)
class Card:
    """What is known about a trained model.

    Attributes:
        name: Name in the zoo.
        title: One line that says what it is.
        model: Class of the model.
        n_parameters: Number of trainable scalars.
        data: Data set and split that it was trained on.
        data_source: What the data were read from.
        command: Command that trains it again.
        recipe: Settings of the training.
        seed: Seed of the training.
        n_seen: How much data the training saw, counted with repetition.
        unit: What ``n_seen`` counts: images, characters, bytes.
        seconds: Duration of the training.
        machine: Where it was trained.
        metrics: What was measured, on the weights as stored.
        licence: Licence of the weights.
        created: Day on which it was trained, YYYY-MM-DD.
        notes: What a user should know: limits, intended use.
    """

    name: str
    title: str
    model: str
    n_parameters: int
    data: str
    data_source: str
    command: str
    recipe: dict[str, Any]
    seed: int
    n_seen: int
    unit: str
    seconds: float
    machine: Machine
    metrics: dict[str, Metric]
    licence: str = "MIT"
    created: str = field(default_factory=lambda: datetime.date.today().isoformat())
    notes: str = ""

    def to_json(self) -> str:
        """The card as indented JSON."""
        return (
            json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False, allow_nan=False)
            + "\n"
        )

    @classmethod
    def load(cls, path: str | Path) -> "Card":
        """Read a file that holds what :meth:`to_json` gave.

        Args:
            path: The file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged, or an entry is unknown or missing; the message names it.
        """
        values = read_json(path)
        try:
            values["machine"] = from_dict(Machine, values["machine"])
            values["metrics"] = {
                name: from_dict(Metric, metric) for name, metric in values["metrics"].items()
            }
            return from_dict(cls, values)
        except KeyError as error:
            raise ValueError(f"{path} is damaged: the card lacks the entry {error}") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error

    def _rows(self) -> list[tuple[str, str]]:
        return [
            ("model", f"{self.model}, {self.n_parameters:,} parameters"),
            ("data", self.data),
            (
                "trained on",
                f"{self.n_seen:,} {self.unit}, seed {self.seed}, {self.seconds:.0f} s",
            ),
            ("machine", str(self.machine)),
            ("command", f"`{self.command}`"),
            *(
                (in_words(name), f"{metric.value:.5g} ({metric.n_samples:,} samples)")
                for name, metric in self.metrics.items()
            ),
            ("licence", self.licence),
        ]

    def __str__(self) -> str:
        """The card as an aligned table."""
        width = max(len(name) for name, _ in self._rows())
        rows = (f"  {name:<{width}}  {value}" for name, value in self._rows())
        return "\n".join([f"{self.name}: {self.title}", *rows])

    def _repr_markdown_(self) -> str:
        rows = "\n".join(f"| {name} | {value} |" for name, value in self._rows())
        return f"| **{self.name}** | {self.title} |\n|:--|:--|\n{rows}\n"
