"""Reading and writing the zoo: a folder a model, with weights, configuration and card."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

import torch
from torch import Tensor

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.models.pixelcnn import PixelCNN
from aigc_tutorial.ar.models.transformer import Transformer
from aigc_tutorial.evaluation import DigitClassifier, DigitReference
from aigc_tutorial.files import expand, replace_files, sha256_of_file
from aigc_tutorial.gan import ConvGenerator, MixtureGenerator, MLPGenerator
from aigc_tutorial.nn import Pretrained
from aigc_tutorial.nn.pretrained import CONFIG_NAME, WEIGHTS_NAME
from aigc_tutorial.tensors import load_tensors, require_finite, write_tensors
from aigc_tutorial.tokenizers import Tokenizer, load_tokenizer
from aigc_tutorial.zoo.card import Card

ModelT = TypeVar("ModelT", bound=Pretrained)

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
"""Where the entries lie that come with the package."""

CARD_NAME = "card.json"
REFERENCE_NAME = "reference"
TOKENIZER_NAME = "tokenizer.json"
# What `sha256sum --check SHA256SUMS` reads: the sum and the name of every other file.
SUMS_NAME = "SHA256SUMS"

# Which class a name is loaded with. A file never decides what code runs.
MODELS: dict[str, type[Pretrained]] = {
    "english-bytes": Transformer,
    "english-subwords": Transformer,
    "mnist-classifier": DigitClassifier,
    "mnist-conditional-gan": ConvGenerator,
    "mnist-conv-gan": ConvGenerator,
    "mnist-mixture-gan": MixtureGenerator,
    "mnist-mlp-gan": MLPGenerator,
    "mnist-pixelcnn": PixelCNN,
    "mnist-pixelcnn-binary": PixelCNN,
    "shakespeare-characters": Transformer,
    "tang-quatrains": Transformer,
}


def names() -> tuple[str, ...]:
    """Names of the trained models that come with the package."""
    return tuple(sorted(MODELS))


@overload
def load(
    name: Literal["mnist-classifier"],
    device: str | torch.device = "cpu",
    *,
    folder: str | Path = WEIGHTS_FOLDER,
) -> DigitClassifier: ...


@overload
def load(
    name: str, device: str | torch.device = "cpu", *, folder: str | Path = WEIGHTS_FOLDER
) -> Any: ...


def load(
    name: str, device: str | torch.device = "cpu", *, folder: str | Path = WEIGHTS_FOLDER
) -> Any:
    """Load a trained model.

    Args:
        name: One of :func:`names`.
        device: Where to put the weights.
        folder: Folder of the zoo; by default the one that comes with the package.

    Returns:
        The model in evaluation mode with float32 weights.

    Raises:
        KeyError: If the zoo has no model of that name.
        FileNotFoundError: If its files are missing.
        ValueError: If they are damaged, or there is no such device here.
    """
    model_class = _model_class(name)
    for file in (CONFIG_NAME, WEIGHTS_NAME):
        _verified(name, file, folder)
    return model_class.from_pretrained(_entry(name, folder), device=device)


def card(name: str, *, folder: str | Path = WEIGHTS_FOLDER) -> Card:
    """Read the card of a trained model.

    Args:
        name: One of :func:`names`.
        folder: Folder of the zoo; by default the one that comes with the package.

    Returns:
        Where the weights come from and what was measured on them.

    Raises:
        KeyError: If the zoo has no model of that name.
        FileNotFoundError: If the card is missing.
        ValueError: If it is damaged, or belongs to another model.
    """
    model_class = _model_class(name)
    path = _verified(name, CARD_NAME, folder)
    found = Card.load(path)
    if (found.name, found.model) != (name, model_class.__name__):
        raise ValueError(
            f"{path} is the card of {found.name} ({found.model}), expected {name} "
            f"({model_class.__name__}). {_restore(name)}"
        )
    return found


def tokenizer(name: str, *, folder: str | Path = WEIGHTS_FOLDER) -> Tokenizer:
    """Read the tokenizer that a model of text was trained with.

    Args:
        name: One of :func:`names`, a model of text.
        folder: Folder of the zoo; by default the one that comes with the package.

    Returns:
        What turns text into the model's tokens and back.

    Raises:
        KeyError: If the zoo has no model of that name.
        FileNotFoundError: If the file is missing.
        ValueError: If it is damaged, or the model is none of text.
    """
    model_class = _model_class(name)
    if not issubclass(model_class, AutoregressiveModel):
        raise ValueError(f"{name} is a {model_class.__name__}, which reads no text.")
    return load_tokenizer(_verified(name, TOKENIZER_NAME, folder))


def extra_tensors(
    name: str, file: str, *, folder: str | Path = WEIGHTS_FOLDER
) -> dict[str, Tensor]:
    """Read tensors that are stored beside a model.

    Args:
        name: One of :func:`names`.
        file: Name of the file without ``.safetensors``.
        folder: Folder of the zoo; by default the one that comes with the package.

    Returns:
        The tensors by name, as stored.

    Raises:
        KeyError: If the zoo has no model of that name.
        FileNotFoundError: If the file is missing.
        ValueError: If it is damaged.
    """
    _model_class(name)
    tensors, _ = load_tensors(_verified(name, f"{file}.safetensors", folder))
    return tensors


def digit_reference() -> DigitReference:
    """Features of MNIST's 10,000 test digits in the space of ``"mnist-classifier"``.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is damaged.
    """
    file = f"{REFERENCE_NAME}.safetensors"
    reference = DigitReference.load(_verified("mnist-classifier", file, WEIGHTS_FOLDER))
    return dataclasses.replace(reference, head=load("mnist-classifier").head.weight.detach())


def rounded(model: ModelT) -> ModelT:
    """A copy of the model with the weights that storing leaves: through float16 and back.

    What a card says is measured on this copy. Tables that a model computes from its configuration
    and does not store are not rounded, as :func:`load` does not round them either.

    Args:
        model: A trained model; it is left as it is.

    Returns:
        The copy, float32, in evaluation mode.

    Raises:
        ValueError: If a weight is too large for float16 (above 65,504) or is not finite.
    """
    result = copy.deepcopy(model).float().eval()
    stored = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    require_finite(stored, f"{type(model).__name__} cannot be stored in float16, with")
    result.load_state_dict(stored)
    return result


def save_entry(
    name: str,
    model: Pretrained,
    card: Card,
    *,
    tokenizer: Tokenizer | None = None,
    extra_tensors: Mapping[str, Mapping[str, Tensor]] | None = None,
    folder: str | Path = WEIGHTS_FOLDER,
) -> Path:
    """Write an entry of the zoo: weights in float16, configuration, card, and the sums of all.

    All files are complete before the first takes its place; what else is in the folder stays.

    Args:
        name: Name of the entry; it must be in ``MODELS``.
        model: The trained model.
        card: Its card.
        tokenizer: What the model was trained with, if it is a model of text.
        extra_tensors: Further files by name without ``.safetensors``, each a mapping of tensors.
        folder: Folder of the zoo.

    Returns:
        The entry's folder.

    Raises:
        KeyError: If the zoo has no model of that name.
        ValueError: If model and card do not belong to the name, the tokenizer is not one of as
            many tokens as the model has, or a further file has the name of another file.
    """
    model_class = _model_class(name)
    if type(model) is not model_class or (card.name, card.model) != (name, model_class.__name__):
        raise ValueError(
            f"{name} is a {model_class.__name__}; got a {type(model).__name__} with the card of "
            f"{card.name} ({card.model})."
        )
    n_tokens = None if tokenizer is None else tokenizer.vocab_size
    n_expected = model.vocab_size if isinstance(model, AutoregressiveModel) else None
    if n_tokens != n_expected:
        raise ValueError(f"{name} has a vocabulary of {n_expected}, its tokenizer of {n_tokens}.")
    extra = {f"{file}.safetensors": tensors for file, tensors in (extra_tensors or {}).items()}
    files = [WEIGHTS_NAME, CONFIG_NAME, CARD_NAME, *[TOKENIZER_NAME] * (tokenizer is not None)]
    for file in extra:
        if file in files or Path(file).name != file:
            raise ValueError(
                f"extra_tensors would write {file}, which is the name of another file of the entry "
                "or no plain name; choose another."
            )
    files += extra
    entry = _entry(name, folder)
    with replace_files(entry, *files, SUMS_NAME) as temporary:
        model.save_pretrained(temporary, dtype=torch.float16)
        (temporary / CARD_NAME).write_text(card.to_json(), encoding="utf-8")
        if tokenizer is not None:
            tokenizer.save(temporary / TOKENIZER_NAME)
        for file, tensors in extra.items():
            write_tensors(temporary / file, tensors)
        (temporary / SUMS_NAME).write_text(sums(temporary, files), encoding="utf-8")
    return entry


def sums(folder: Path, files: Sequence[str]) -> str:
    """SHA-256 of files in the words of the program ``sha256sum``.

    Args:
        folder: What holds them.
        files: Their names.
    """
    return "".join(f"{sha256_of_file(folder / file)}  {file}\n" for file in sorted(files))


def verify(name: str, *, folder: str | Path = WEIGHTS_FOLDER) -> None:
    """Compare all files of an entry with their sums.

    Args:
        name: One of :func:`names`.
        folder: Folder of the zoo; by default the one that comes with the package.

    Raises:
        KeyError: If the zoo has no model of that name.
        FileNotFoundError: If a file is missing.
        ValueError: If one is damaged; the message names it.
    """
    _model_class(name)
    for file in _recorded_sums(name, folder):
        _verified(name, file, folder)


def _verified(name: str, file: str, folder: str | Path) -> Path:
    """Path of a file whose content is the recorded one."""
    path = _entry(name, folder) / file
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}. {_restore(name)}")
    if _recorded_sums(name, folder).get(file) != sha256_of_file(path):
        raise ValueError(
            f"{path} is damaged: its content is not the one in {SUMS_NAME}. {_restore(name)}"
        )
    return path


def _recorded_sums(name: str, folder: str | Path) -> dict[str, str]:
    """SHA-256 of each file of an entry."""
    path = _entry(name, folder) / SUMS_NAME
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}. {_restore(name)}")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = [line.partition("  ") for line in lines]
    return {file: digest for digest, _, file in pairs}


def _model_class(name: str) -> type[Pretrained]:
    if name not in MODELS:
        raise KeyError(f"The zoo has no {name!r}; it has {', '.join(names())}.")
    return MODELS[name]


def _entry(name: str, folder: str | Path) -> Path:
    return expand(folder) / name


def _restore(name: str) -> str:
    return f"Reinstall the package, or train it again: aigc-tutorial zoo train {name}"
