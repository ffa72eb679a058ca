"""Models that are saved as two readable files: weights (safetensors) and configuration (JSON).

The layout is the Hugging Face Hub's, so a saved folder can be uploaded there and a model be loaded
by its repository's name. ``huggingface_hub`` has a mixin for the same purpose; this one differs
where it matters to us: weights and settings are checked strictly, damage is found, nothing is ever
unpickled, and no file is ever half-written.
"""

import json
import re
import time
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.lazy import LazyModuleMixin

from aigc_tutorial.config import from_dict, to_json
from aigc_tutorial.environment import as_device, is_offline
from aigc_tutorial.files import expand, read_json, replace_files
from aigc_tutorial.nn.mode import gradients_on, seeded_weights
from aigc_tutorial.tensors import load_tensors, require_finite, write_tensors

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
_CONFIG_TEXT = "config"
# Between the moves of the two files of one saving a reader sees one old and one new: look again.
_N_LOOKS, _SECONDS_BETWEEN_LOOKS = 5, 0.05
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

PretrainedT = TypeVar("PretrainedT", bound="Pretrained")


class Pretrained(nn.Module):
    """A module built from one frozen dataclass, which it saves beside its weights.

    A subclass sets ``config_class`` and takes one argument, ``config``, of exactly this class:
    settings that another one adds would be ignored, saved, and not be loaded again.
    """

    config_class: ClassVar[type]
    config: Any

    def __init__(self, config: Any) -> None:
        super().__init__()
        if type(config) is not self.config_class:
            raise TypeError(
                f"{type(self).__name__} is built from a {self.config_class.__name__}, "
                f"got {type(config).__name__}, whose settings it does not all know; build the "
                "model that this configuration belongs to"
            )
        self.config = config

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def save_pretrained(self, folder: str | Path, *, dtype: torch.dtype | None = None) -> None:
        """Write ``model.safetensors`` and ``config.json`` into ``folder``.

        Two files of these names are replaced, each whole or not at all; all else in the folder
        stays. The weights' file holds the configuration too, so that one of another model beside it
        is found.

        Args:
            folder: is made if it is missing; ``~`` is the home folder.
            dtype: store floating-point weights in this type, for example ``torch.float16``.

        Raises:
            ValueError: if a weight is NaN or infinite, or becomes so in ``dtype``, or if the model
                is not as its configuration builds it: a layer was exchanged, or has LoRA.
            NotADirectoryError: if ``folder`` is a file.
            OSError: if it cannot be written.
        """
        if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise ValueError(
                f"weights are stored in a floating-point type such as torch.float16, not {dtype!r}"
            )
        for part in self.modules():
            if reason := getattr(part, "not_saved_since", ""):
                raise ValueError(f"the {type(self).__name__} is not saved: {reason}")
        _require_as_configured(self)
        tensors = self.state_dict()
        require_finite(tensors, f"the {type(self).__name__} is not saved: it has")
        if dtype is not None:
            largest = torch.finfo(dtype).max
            tensors = {
                name: _rounded(tensor, dtype) if tensor.is_floating_point() else tensor
                for name, tensor in tensors.items()
            }
            require_finite(
                tensors,
                f"the {type(self).__name__} is not saved: {dtype} reaches to {largest:,.0f}, and "
                "rounding to it gives",
            )
        config = to_json(self.config)
        with replace_files(folder, WEIGHTS_NAME, CONFIG_NAME) as temporary:
            write_tensors(temporary / WEIGHTS_NAME, tensors, {_CONFIG_TEXT: config})
            (temporary / CONFIG_NAME).write_text(config, encoding="utf-8")

    @classmethod
    def from_pretrained(
        cls: type[PretrainedT],
        folder: str | Path,
        *,
        device: str | torch.device = "cpu",
        revision: str | None = None,
    ) -> PretrainedT:
        """Load a model that :meth:`save_pretrained` wrote, in evaluation mode and as float32.

        Args:
            folder: a folder, or the name of a repository on the Hugging Face Hub: "user/model",
                with no folder ``user`` here. Where ``HF_HUB_OFFLINE`` or ``AIGC_TUTORIAL_OFFLINE``
                is set, only what was downloaded before is used.
            device: where to put the weights.
            revision: the Hub repository's branch, tag or commit.

        Raises:
            FileNotFoundError: if there is no such folder or repository, or it lacks the two files.
            ValueError: if weights or configuration are damaged, do not fit each other or this
                class, or hold NaN or an infinity; the message names the file. And if there is no
                such device here.
            TypeError: if this class is no model itself, but a base of models.
        """
        if not hasattr(cls, "config_class"):
            raise TypeError(
                f"{cls.__name__} is a base of models and none itself; load by the class that was "
                'saved: ar.Transformer.from_pretrained("folder"), say'
            )
        device = as_device(device)
        weights_path, config_path = _locate(folder, revision)
        tensors, config = _read(weights_path, config_path, cls.config_class)
        # Whatever torch's default device and type are; and who loads a model draws no numbers.
        with seeded_weights(0):
            model = cls(config).float()
        try:
            model.load_state_dict(tensors)
        except RuntimeError as error:
            raise ValueError(
                f"the weights in {weights_path} do not fit {cls.__name__} as {CONFIG_NAME} beside "
                f"them describes it: {error}"
            ) from error
        # After the conversion to float32, in which a large float64 number is infinite.
        require_finite(model.state_dict(), f"{weights_path} holds, as float32,")
        with gradients_on():  # a copy on another device has gradients too
            return model.to(device).eval()


def _rounded(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers in another type; one that is beyond its largest becomes infinite, or NaN.

    Some types of eight bits would hold their largest number in its place.
    """
    rounded = tensor.to(dtype)
    if dtype.itemsize == 1 and (too_large := tensor.abs() > torch.finfo(dtype).max).any():
        return rounded.float().masked_fill(too_large, torch.inf)
    return rounded


def _require_as_configured(model: Pretrained) -> None:
    """Refuse a model that would be another one when it is loaded, or could not be loaded at all.

    Raises:
        ValueError: naming the first part that its configuration builds otherwise.
    """
    with seeded_weights(0):
        built = type(model)(model.config)
    if any(isinstance(module, LazyModuleMixin) for module in built.modules()):
        return  # it learns its sizes from the first batch
    own, of_config = _parts_of(model), _parts_of(built)
    weights = dict(model.named_parameters(remove_duplicate=False))
    first_names: dict[Tensor, str] = {}
    for name, weight in built.named_parameters(remove_duplicate=False):
        first = first_names.setdefault(weight, name)
        if first != name and weights.get(first) is not weights.get(name):
            own[name], of_config[name] = f"apart from {first}", f"one with {first}"
    for name in dict.fromkeys([*own, *of_config]):
        here, there = own.get(name, "missing"), of_config.get(name, "missing")
        if here != there:
            raise ValueError(
                f"the {type(model).__name__} is not saved: its part {name} is {here}, and would be "
                f"{there} when it is loaded, as its configuration builds it. LoRA becomes part of "
                "the weights by adaptation.remove_lora(model, keep=True), and prunings and "
                "parametrizations of torch.nn.utils can be removed; make other changes settings of "
                "a class of your own, or keep model.state_dict() by torch.save"
            )


def _parts_of(model: nn.Module) -> dict[str, str]:
    """What each part of a model is, by name: a module of a class, a weight of a shape, a buffer.

    What has no weights is told by its settings too, but for those that change no result. A buffer
    may have another shape when it is loaded: counts of what there is, say.
    """
    parts = {}
    for name, module in model.named_modules():
        parts[name] = f"a {type(module).__name__}"
        is_function = not any(True for _ in module.children()) and not module.state_dict()
        if is_function and not isinstance(module, _DropoutNd):
            settings = module.extra_repr().replace("inplace=True", "").strip(", ")
            parts[name] += f"({settings})"
    named = model.named_parameters(remove_duplicate=False)
    weights = {name: f"of shape {tuple(weight.shape)}" for name, weight in named}
    return parts | {name: weights.get(name, "stored") for name in model.state_dict()}


def _locate(folder: str | Path, revision: str | None) -> tuple[Path, Path]:
    """Paths of weights and configuration, here or in the cache of the Hub."""
    here = expand(folder)
    if here.is_dir() or not (is_hub_name(folder) and not Path(folder).parent.exists()):
        if not (here / WEIGHTS_NAME).is_file():
            raise FileNotFoundError(
                f"there is no {WEIGHTS_NAME} in {here}; expected a folder written by "
                'save_pretrained, or the name of a repository on the Hugging Face Hub: "user/model"'
            )
        if revision is not None:
            raise ValueError(f"revision is of repositories on the Hub; {here} is a folder here")
        return here / WEIGHTS_NAME, here / CONFIG_NAME
    from huggingface_hub import hf_hub_download

    offline = is_offline("HF_HUB_OFFLINE") or is_offline()
    try:
        weights, config = (
            Path(
                hf_hub_download(
                    repo_id=str(folder), filename=name, revision=revision, local_files_only=offline
                )
            )
            for name in (WEIGHTS_NAME, CONFIG_NAME)
        )
    except Exception as error:  # of its network library too, which changes with its versions
        how = "offline, so only among what was downloaded before" if offline else "on the Hub"
        raise FileNotFoundError(
            f"there is no folder {here}, and the repository {folder} could not be had ({how}): "
            f"{error}"
        ) from error
    return weights, config


def is_hub_name(folder: str | Path) -> bool:
    """Whether a text can be meant as "user/model"; a path is not."""
    return (
        isinstance(folder, str)
        and _HUB_NAME.fullmatch(folder) is not None
        and not folder.endswith((".json", ".safetensors"))
    )


def _read(
    weights_path: Path, config_path: Path, config_class: type
) -> tuple[dict[str, Tensor], Any]:
    """Weights and configuration of one saving, also while another process saves again."""
    for _ in range(_N_LOOKS):
        tensors, texts = load_tensors(weights_path)
        copy = json.loads(texts[_CONFIG_TEXT]) if _CONFIG_TEXT in texts else None
        if copy is not None and not config_path.is_file():
            return tensors, _config(config_class, copy, weights_path)
        values = read_json(config_path)
        if copy is None or values == copy:
            return tensors, _config(config_class, values, config_path)
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    raise ValueError(
        f"{config_path} is not the configuration that the weights in {weights_path} were saved "
        "with: the files are of two savings, or one was changed. Delete it to go by the weights' "
        "own copy, or save the model again"
    )


def _config(config_class: type, values: dict[str, Any], path: Path) -> Any:
    try:
        return from_dict(config_class, values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no {config_class.__name__}: {error}") from error


def count_parameters(model: nn.Module) -> int:
    """Number of trainable scalars in ``model``."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
