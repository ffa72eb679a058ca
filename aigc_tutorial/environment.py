"""The machine and its packages: what is there, what is missing, and how to install it."""

import contextlib
import html
import importlib
import importlib.metadata
import os
import platform
import re
import sys
from dataclasses import dataclass
from types import ModuleType

import torch
from packaging.requirements import Requirement

_DISTRIBUTION = "aigc_tutorial"


class MissingDependencyError(ImportError):
    """An optional package is needed and not installed; the message names the command."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say how to install it.

    Args:
        module: name to import, for example ``"mlxtend"`` or ``"matplotlib.pyplot"``.
        extra: the extra of this package that brings it, for example ``"book"``.

    Returns:
        The imported module.

    Raises:
        MissingDependencyError: if the module is not installed. An installed module that fails for
            another reason raises its own error.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there; something that it imports itself is not
        raise MissingDependencyError(
            f"{error.name} is needed here and is not installed. Install it with:\n"
            f"    {install_command(extra)}",
            name=error.name,
        ) from error


def repository_url() -> str:
    """Address of the source repository, as the installed package's metadata gives it.

    Raises:
        LookupError: if the package is not installed, or its metadata has no address labelled
            "Repository".
    """
    try:
        metadata = importlib.metadata.metadata(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError as error:
        raise LookupError(
            f"{_DISTRIBUTION} is not installed, so its repository's address is unknown; "
            "run `python -m pip install -e .` in the folder that holds pyproject.toml"
        ) from error
    for entry in metadata.get_all("Project-URL") or []:
        label, _, address = entry.partition(",")
        if label.strip().lower() == "repository":
            return str(address.strip())
    raise LookupError(
        f"the metadata of {_DISTRIBUTION} has no address labelled Repository; "
        "it comes from [project.urls] in pyproject.toml"
    )


def install_command(extra: str) -> str:
    """The command that installs this package together with one of its extras."""
    requirement = f"{_DISTRIBUTION}[{extra}]"
    with contextlib.suppress(LookupError):  # without an address the name alone has to do
        requirement += f" @ git+{repository_url()}"
    return f'python -m pip install "{requirement}"'


def is_offline(variable: str = "AIGC_TUTORIAL_OFFLINE") -> bool:
    """Whether an environment variable forbids to use the network.

    Args:
        variable: its name.

    Raises:
        ValueError: if the variable is set to anything but a yes or a no.
    """
    value = os.environ.get(variable, "").strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError(f"{variable} is {value!r}; expected 1 or 0")


def is_colab() -> bool:
    """Whether this process runs in Google Colab."""
    return "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ


_NO_MEMORY = re.compile(r"allocate memory|(out of|not enough) memory|alloc_failed", re.IGNORECASE)


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that the memory is full, of the machine or of its GPU.

    torch has a class for it, but of the CPU and of MPS only the message says it.
    """
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None
    )


def device() -> torch.device:
    """The fastest device of this machine: CUDA, else Apple's MPS, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def as_device(name: str | torch.device | int) -> torch.device:
    """A device of this machine.

    Args:
        name: "cpu", "cuda", "cuda:1", "mps" and so on.

    Raises:
        ValueError: if there is none of that name here.
    """
    try:
        found = torch.device(name)
        torch.empty(0, device=found)  # that of no machine has a name too
    except (AssertionError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"{name!r} is no device of this machine, which has {', '.join(_devices())}; write "
            '"cpu", "cuda", "cuda:1" or "mps", or take environment.device(), the fastest one here'
        ) from error
    return found


@dataclass(frozen=True, repr=False)
class Report:
    """What :func:`report` found. Prints as a table, in a terminal and on a page.

    Attributes:
        python: Python's version.
        system: operating system and processor.
        devices: devices that torch can use, the fastest first; the processor is always the last.
        n_threads: threads that torch uses for one operation on the processor.
        versions: version of each package of the book that is installed, torch first.
        missing: packages of the book that are not installed.
        install: command that installs what is missing; ``None`` if nothing is, and on Colab.
    """

    python: str
    system: str
    devices: tuple[str, ...]
    n_threads: int
    versions: dict[str, str]
    missing: tuple[str, ...]
    install: str | None

    def rows(self) -> list[tuple[str, str]]:
        """The table: a label and a value for each row."""
        rows = [
            ("Python", self.python),
            ("System", self.system),
            ("Devices", ", ".join(self.devices)),
            ("Threads", str(self.n_threads)),
            *self.versions.items(),
        ]
        if self.missing:
            rows.append(("Missing", ", ".join(self.missing)))
        if self.install:
            rows.append(("Install with", self.install))
        return rows

    def __repr__(self) -> str:
        """The table as aligned text, at a Python prompt and in ``print``."""
        rows = self.rows()
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in rows)

    def _repr_markdown_(self) -> str:
        cells = [(label, value.replace("|", r"\|")) for label, value in self.rows()]
        return "\n".join(["| | |", "|---|---|", *(f"| {a} | {b} |" for a, b in cells)])

    def _repr_html_(self) -> str:
        rows = (
            f'<tr><th scope="row">{html.escape(a)}</th><td>{html.escape(b)}</td></tr>'
            for a, b in self.rows()
        )
        return f"<table><tbody>{''.join(rows)}</tbody></table>"


def report() -> Report:
    """Look at Python, the devices and the packages that the book uses. Imports none of them."""
    versions, missing = {}, []
    for name in _packages_of_the_book():
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    return Report(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        devices=_devices(),
        n_threads=torch.get_num_threads(),
        versions=versions,
        missing=tuple(missing),
        # On Colab that command would replace Colab's own torch; its pages need nothing more.
        install=install_command("book") if missing and not is_colab() else None,
    )


def _devices() -> tuple[str, ...]:
    cuda = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return (*cuda, *mps, "cpu")


def _packages_of_the_book() -> list[str]:
    """Names in the package's own requirements and in its ``book`` extra; torch comes first."""
    try:
        requirements = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:  # used from its folder without installation
        requirements = ["torch", "numpy"]
    names = [
        requirement.name
        for requirement in map(Requirement, requirements)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "book"})
    ]
    return sorted(dict.fromkeys(names), key=lambda name: (name != "torch", name.lower()))
