"""One study among several workers: who tries what, and what is left of a worker that was killed."""

import contextlib
import hashlib
import inspect
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from aigc_tutorial.adaptation.space import Space
from aigc_tutorial.environment import require
from aigc_tutorial.files import expand, require_place_of_file, writable_folder
from aigc_tutorial.training.checkpoint import name_of

_NAME = "search"
_SQLITE = "sqlite:///"
_SECONDS_FOR_A_WRITE = 60
# Attributes of a study and of its trials.
IDENTITY, ORDER, WORKER, N_SEEN, FAILURE = "identity", "order", "worker", "n_seen", "failure"


class SharedStudy:
    """Optuna's study, and the rules by which workers share it.

    A trial is claimed under a lock. Its settings follow from seed and order, and with TPE from the
    trials that ended before, so that a search that was killed and continued tries what it would
    have tried. A worker keeps a lock of its own while it lives, which the system releases when it
    dies: the trial that it leaves is noticed by the next claim, and tried again.
    """

    def __init__(self, storage: str | Path | None, identity: Mapping[str, Any]) -> None:
        """Open the study, or begin it.

        Args:
            storage: file of an SQLite database, or None for memory.
            identity: what tells this search from another one.

        Raises:
            ValueError: if the database holds another search.
            OSError: if there can be no such file.
        """
        require("optuna", extra="search")
        self.worker, self.path = uuid.uuid4().hex, _path_of(storage)
        self._claiming: Any = contextlib.nullcontext()
        self._alive: FileLock | None = None
        if self.path is not None:
            require_place_of_file(self.path)
            writable_folder(self.path.parent)
            self._claiming = FileLock(f"{self.path}.lock")
            self._alive = FileLock(self._lock_of(self.worker))
            self._alive.acquire()
        try:
            self.study = self._open(dict(identity))
        except BaseException:
            self.close()
            raise

    def _open(self, identity: dict[str, Any]) -> Any:
        """The study, after a check that it is this search's."""
        optuna = require("optuna", extra="search")
        with self._claiming:  # two that make the tables of one database fail each other
            place = None
            if self.path is not None:
                path = self.path
                # The file by its own name: in an address some letters would mean something else.
                place = optuna.storages.RDBStorage(
                    f"{_SQLITE}{_NAME}",
                    engine_kwargs={
                        "creator": lambda: sqlite3.connect(
                            path, timeout=_SECONDS_FOR_A_WRITE, check_same_thread=False
                        )
                    },
                )
            study = optuna.create_study(storage=place, study_name=_NAME, load_if_exists=True)
            known = study.user_attrs.get(IDENTITY)
            if known is None and study.get_trials(deepcopy=False):
                raise ValueError(
                    f"{self.path} holds a study called {_NAME!r} of another program; name another "
                    "file"
                )
            if known is None:
                study.set_user_attr(IDENTITY, identity)
        for name, wanted in identity.items():
            if known is not None and known.get(name) != wanted:
                raise ValueError(
                    f"{self.path} holds another search: its {name} is {known.get(name)!r}, and "
                    f"{wanted!r} is wanted. Name another file, or search as before"
                )
        return study

    def claim(
        self, space: Space, sampler: Any, n_trials: int | None, budget: int | None
    ) -> Any | None:
        """The next trial, with settings; None if there are as many as are wanted.

        Args:
            space: of the settings.
            sampler: makes one of Optuna's samplers of the trial's order.
            n_trials: how many trials to make in all, by all workers together.
            budget: of data to see in all; a trial begins while it is not spent.
        """
        with self._claiming:
            self._give_up_the_dead()
            taken = self.counted()
            spent = sum(trial.user_attrs.get(N_SEEN, 0) for trial in taken.values())
            order = next(i for i in range(len(taken) + 1) if i not in taken)
            if order == n_trials or (budget is not None and spent >= budget):
                return None
            self.study.sampler = sampler(order)
            trial = self.study.ask({name: p.distribution() for name, p in space.items()})
            trial.set_user_attr(ORDER, order)
            trial.set_user_attr(WORKER, self.worker)
            return trial

    def counted(self) -> dict[int, Any]:
        """The trials that count, by order: those that ended, and those of living workers."""
        states = require("optuna", extra="search").trial.TrialState
        return {
            trial.user_attrs[ORDER]: trial
            for trial in self.study.get_trials(deepcopy=False)
            if ORDER in trial.user_attrs
            and (trial.state != states.FAIL or FAILURE in trial.user_attrs)
        }

    def close(self) -> None:
        """Let go of the worker's lock."""
        if self._alive is not None:
            self._alive.release()
            _remove_lock(self._alive)

    def _give_up_the_dead(self) -> None:
        """End the trials of workers that are no more, so that others may take their places."""
        states = require("optuna", extra="search").trial.TrialState
        for trial in self.study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            worker = trial.user_attrs.get(WORKER)
            if worker != self.worker and (worker is None or self._is_dead(worker)):
                self.study.tell(trial.number, state=states.FAIL)

    def _is_dead(self, worker: str) -> bool:
        lock = FileLock(self._lock_of(worker), timeout=0)
        try:
            with lock:
                pass
        except Timeout:
            return False
        _remove_lock(lock)
        return True

    def _lock_of(self, worker: str) -> str:
        return f"{self.path}.{worker}.worker"


def _remove_lock(lock: FileLock) -> None:
    """Remove a lock's file; on Windows it stays while another worker looks whether it is held."""
    with contextlib.suppress(PermissionError):
        Path(lock.lock_file).unlink(missing_ok=True)


@contextmanager
def storage_told(storage: str | Path | None) -> Iterator[None]:
    """Say in a sentence what is wrong with the database.

    Raises:
        ValueError: if it is none, or damaged.
        OSError: if it cannot be read or written.
    """
    errors = require("sqlalchemy.exc", extra="search")
    internal = require("optuna", extra="search").exceptions.StorageInternalError
    try:
        yield
    except (errors.DatabaseError, internal) as error:
        inner = error.__cause__ if isinstance(error, internal) else error
        cause = getattr(inner, "orig", None) or inner or error
        if isinstance(inner, errors.DatabaseError) and not isinstance(
            inner, errors.OperationalError
        ):
            raise ValueError(
                f"{storage} is damaged, or no SQLite database ({cause}); name another file, or "
                "restore it from a copy"
            ) from error
        raise OSError(
            f"{storage} cannot be read or written ({cause}); the trials that it holds are kept, "
            "and the same search goes on with them"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from writing a line for each trial."""
    logging = require("optuna", extra="search").logging
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def seed_of(seed: int, order: int) -> int:
    """The seed of one trial's sampler."""
    return int(np.random.SeedSequence([seed, order]).generate_state(1)[0])


def identity_of_function(function: Any) -> str:
    """What tells a function from others: its name, its text, and the data that it reads.

    The same in all workers, whose main module has another name than that of the process that
    started them.
    """
    _, _, data = name_of(function).partition(" with ")
    plain = inspect.unwrap(function)
    name = getattr(plain, "__qualname__", type(plain).__qualname__)
    with contextlib.suppress(OSError, TypeError):
        name += f" ({hashlib.sha256(inspect.getsource(plain).encode()).hexdigest()[:12]})"
    return f"{name} with {data}" if data else name


def _path_of(storage: str | Path | None) -> Path | None:
    """The database's file."""
    if storage is None:
        return None
    text = str(storage).removeprefix(_SQLITE)
    if "://" in text or not text:
        raise ValueError(
            f"storage must be the file of an SQLite database, or {_SQLITE}FILE, got {storage!r}: "
            "workers find each other's locks beside it, on one machine"
        )
    return expand(text).absolute()
