"""Numbers that a model keeps beside its tensors: a strength of noise that fades, a first call."""

from collections.abc import Mapping
from typing import Any

from torch import nn

Numbers = Mapping[str, Mapping[str, bool | int | float]]
"""By the name of a module and that of its attribute."""


def numbers_of(model: nn.Module) -> Numbers:
    """The numbers and truth values among the attributes of each module, but for its mode."""
    return {
        name: {
            key: value
            for key, value in vars(module).items()
            if type(value) in (bool, int, float) and key != "training"
        }
        for name, module in model.named_modules()
    }


def set_numbers(model: nn.Module, numbers: Numbers) -> None:
    """Give modules back what :func:`numbers_of` found; what is no part of the model is left out."""
    for name, module in model.named_modules():
        for key, value in numbers.get(name, {}).items():
            setattr(module, key, value)


class ModelNumbers:
    """The numbers of all models that a task trains, as a part of a run.

    No ``state_dict`` of torch's holds them. A model whose ``forward`` changes one would be another
    model after a run is resumed.
    """

    def __init__(self, task: Any) -> None:
        """Look for models among the task's attributes."""
        own = getattr(task, "__dict__", {})
        self.models = {name: x for name, x in own.items() if isinstance(x, nn.Module)}
        self._at_first: Mapping[str, Numbers] = self.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """The numbers by model, module and name."""
        return {name: numbers_of(model) for name, model in self.models.items()}

    def load_state_dict(self, state: Mapping[str, Numbers]) -> None:
        """Restore what :meth:`state_dict` returned; what was made since is taken away."""
        for name, model in self.models.items():
            now, saved, modules = (
                numbers_of(model),
                state.get(name, {}),
                dict(model.named_modules()),
            )
            for part, own in now.items():
                known = saved.get(part, {}).keys() | self._at_first[name].get(part, {}).keys()
                for key in own.keys() - known:
                    delattr(modules[part], key)
            set_numbers(model, saved)
