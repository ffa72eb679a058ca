"""Numbers of a run as an offline run of Weights & Biases."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aigc_tutorial.environment import require
from aigc_tutorial.files import writable_folder
from aigc_tutorial.training.tracking import move_aside
from aigc_tutorial.training.wandb_files import wait_for_end

# What the library would write to the home folder is put into the run's own.
_FOLDERS = (
    "WANDB_ARTIFACT_DIR",
    "WANDB_CACHE_DIR",
    "WANDB_CONFIG_DIR",
    "WANDB_DATA_DIR",
    "WANDB_DIR",
)
# Without these it sends, also for an offline run, how it is used itself and which errors it meets.
_SILENCE = {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}


class WandbTracker:
    """Writes an offline run of Weights & Biases, which never leaves the machine by itself.

    ``wandb sync FOLDER/wandb/offline-run-*`` sends it. Nothing is asked of the network, and nothing
    is written outside the folder. A run that is resumed begins a new offline run with all of its
    rows from the first one on, so that what is sent is whole; what an earlier one left is moved
    into a folder ``earlier-1``.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        project: str = "aigc-tutorial",
        name: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Name the folder; the offline run begins with the first row.

        Args:
            folder: where the runs are kept.
            project: to which the run will belong when it is sent.
            name: of the run.
            settings: what the run's page shows as its configuration.

        Raises:
            MissingDependencyError: if wandb is not installed.
            OSError: if the folder cannot be written.
        """
        self.folder = writable_folder(folder).absolute()
        with _kept_in(self.folder):
            self._wandb: Any = require("wandb", extra="track")
        self.project, self.name, self.settings = project, name, dict(settings or {})
        self._run: Any = None
        self._last = 0

    def log(self, row: Mapping[str, float], *, n_seen: int) -> None:
        """Log ``row`` at step ``n_seen``.

        Raises:
            ValueError: if the row belongs before those that were logged.
        """
        if n_seen < self._last:
            raise ValueError(
                f"a row measured after {n_seen} cannot follow one after {self._last} in "
                f"{self.folder}; give another run a tracker of its own"
            )
        if self._run is None:
            self._open()
        self._run.log(dict(row), step=n_seen)
        self._last = n_seen

    def rewind(self, n_seen: int, rows: Sequence[Mapping[str, float]]) -> None:
        """Begin an offline run that holds the rows of this run and no others."""
        self.close()
        self._last = n_seen
        if not rows:
            return  # the first row begins the run
        self._open()
        for row in rows:
            self._run.log(dict(row), step=int(next(iter(row.values()))))

    def close(self) -> None:
        """Write what is held back, and end the offline run."""
        if self._run is not None:
            self._run.finish()
            wait_for_end(self.folder)
        self._run = None

    def _open(self) -> None:
        place = self.folder / "wandb"
        runs = list(place.glob("offline-run-*")) if place.is_dir() else []
        move_aside(runs, self.folder / "earlier-", "/")
        with _kept_in(self.folder):
            self._run = self._wandb.init(
                mode="offline",
                dir=self.folder,
                project=self.project,
                name=self.name,
                config=self.settings,
                reinit="create_new",
                settings=self._wandb.Settings(
                    console="off",
                    disable_code=True,
                    disable_git=True,
                    disable_job_creation=True,
                    quiet=True,
                    silent=True,
                    x_disable_machine_info=True,
                    x_disable_meta=True,
                    x_disable_stats=True,
                ),
            )


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """Keep in ``folder`` what the library writes, but where its own variables say another place.

    Nothing is sent meanwhile, whatever they say.
    """
    wanted = {name: os.environ.get(name, str(folder)) for name in _FOLDERS} | _SILENCE
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
