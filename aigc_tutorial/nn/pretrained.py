"""Models that are saved as two readable files: weights (safetensors) and configuration (JSON).

The layout is the Hugging Face Hub's, so a saved folder can be uploaded there and a model be loaded
by its repository's name. ``huggingface_hub`` has a mixin for the same purpose; this one differs
where it matters to us: weights and settings are checked strictly, nothing is ever unpickled, and
a folder is written whole or not at all.
"""

from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from aigc_tutorial.config import from_json, to_json
from aigc_tutorial.files import replace_folder

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"

PretrainedT = TypeVar("PretrainedT", bound="Pretrained")


class Pretrained(nn.Module):
    """A module built from one frozen dataclass, which it saves beside its weights.

    A subclass sets ``config_class`` and takes one argument, ``config``.
    """

    config_class: ClassVar[type]
    config: Any

    def __init__(self, config: Any) -> None:
        super().__init__()
        if not isinstance(config, self.config_class):
            raise TypeError(
                f"{type(self).__name__} is built from a {self.config_class.__name__}, "
                f"got {type(config).__name__}"
            )
        self.config = config

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def save_pretrained(self, folder: str | Path, *, dtype: torch.dtype | None = None) -> None:
        """Write ``model.safetensors`` and ``config.json`` into ``folder``, replacing it whole.

        Args:
            folder: is replaced if it is there already.
            dtype: store floating-point weights in this type, for example ``torch.float16``.
        """
        tensors = {
            name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else None)
            for name, tensor in self.state_dict().items()
        }
        with replace_folder(folder) as temporary:
            save_file({k: v.contiguous() for k, v in tensors.items()}, temporary / WEIGHTS_NAME)
            (temporary / CONFIG_NAME).write_text(to_json(self.config), encoding="utf-8")

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
            folder: a folder, or the name of a repository on the Hugging Face Hub ("user/model").
            device: where to put the weights.
            revision: the Hub repository's branch, tag or commit.

        Raises:
            FileNotFoundError: if ``folder`` is a folder without the two files.
            ValueError: if weights or configuration do not fit this class.
        """
        config_path = _locate(folder, CONFIG_NAME, revision)
        weights_path = _locate(folder, WEIGHTS_NAME, revision)
        model = cls(from_json(cls.config_class, config_path.read_text(encoding="utf-8")))
        try:
            model.load_state_dict(load_file(weights_path))
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(
                f"the weights in {weights_path} do not fit {cls.__name__} as configured in "
                f"{config_path}: {error}"
            ) from error
        return model.to(device).eval()


def _locate(folder: str | Path, name: str, revision: str | None) -> Path:
    path = Path(folder) / name
    if path.is_file():
        return path
    if Path(folder).is_dir() or str(folder).count("/") != 1 or isinstance(folder, Path):
        raise FileNotFoundError(
            f"there is no {name} in {folder}; expected a folder written by save_pretrained, "
            'or the name of a repository on the Hugging Face Hub such as "user/model"'
        )
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repo_id=str(folder), filename=name, revision=revision))


def count_parameters(model: nn.Module) -> int:
    """Number of trainable scalars in ``model``."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
