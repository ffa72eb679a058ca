"""The folder of a run, and models from wherever they lie.

``train`` writes ``run.json``, what was asked for; ``log.csv``; ``checkpoint.safetensors``; and at
the end what an entry of the zoo has: ``model.safetensors``, ``config.json``, ``card.json`` and, of
a model of text, ``tokenizer.json``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc_tutorial import ar, evaluation, gan, zoo
from aigc_tutorial.cli.parsing import UsageError, closest
from aigc_tutorial.files import expand, read_json, replace_file
from aigc_tutorial.nn import Pretrained
from aigc_tutorial.nn.pretrained import WEIGHTS_NAME
from aigc_tutorial.tokenizers import Tokenizer, load_tokenizer
from aigc_tutorial.training.checkpoint import CHECKPOINT_FILE, checkpoint_path
from aigc_tutorial.zoo.card import Card
from aigc_tutorial.zoo.entries import CARD_NAME, TOKENIZER_NAME

RUN_NAME, SEARCH_NAME = "run.json", "search.sqlite"
_MADE = (CHECKPOINT_FILE, CARD_NAME, WEIGHTS_NAME, SEARCH_NAME)  # by a training or a search

# By which class a card's model is loaded. A file never decides what code runs.
_CLASSES: dict[str, type[Pretrained]] = {
    kind.__name__: kind
    for kind in (
        ar.PixelCNN,
        ar.Transformer,
        evaluation.DigitClassifier,
        gan.ConvGenerator,
        gan.MLPGenerator,
    )
}


@dataclass(frozen=True)
class Found:
    """A trained model and what belongs to it.

    Attributes:
        model: in evaluation mode.
        card: where it comes from.
        tokenizer: of a model of text, else None.
        folder: of a run of the reader's own; None for a model of the zoo.
    """

    model: Any
    card: Card
    tokenizer: Tokenizer | None
    folder: Path | None


def find_model(where: str, *, device: str | None = None) -> Found:
    """Load a model of the zoo by its name, or of a run by its folder.

    Args:
        where: the name or the folder.
        device: where to put it; by default the CPU, where small models are as fast as anywhere.

    Raises:
        UsageError: if there is neither.
        FileNotFoundError: if the folder holds no model, since its run has not ended, say.
        ValueError: if a file is damaged.
    """
    place = device or "cpu"
    if where in zoo.names():
        model = zoo.load(where, device=place)
        has_text = isinstance(model, ar.AutoregressiveModel)
        return Found(model, zoo.card(where), zoo.tokenizer(where) if has_text else None, None)
    folder = expand(where)
    if not folder.is_dir():
        raise UsageError(
            f"{where!r} is no folder here and no model of the zoo{closest(where, zoo.names())}; "
            f"the zoo has {', '.join(zoo.names())}"
        )
    if not (folder / CARD_NAME).is_file():
        is_cut = checkpoint_path(folder).is_file()
        raise FileNotFoundError(
            f"the run in {folder} has not ended; give its command again, and it goes on"
            if is_cut
            else f"{folder} holds no model that `train` wrote: {CARD_NAME} is missing"
        )
    card = Card.load(folder / CARD_NAME)
    if card.model not in _CLASSES:
        raise ValueError(
            f"{folder / CARD_NAME} names a model of the class {card.model!r}; known are "
            f"{', '.join(_CLASSES)}"
        )
    model = _CLASSES[card.model].from_pretrained(folder, device=place)
    has_text = isinstance(model, ar.AutoregressiveModel)
    tokenizer = load_tokenizer(folder / TOKENIZER_NAME) if has_text else None
    return Found(model, card, tokenizer, folder)


def begin_run(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write down what is asked for, or find that the folder holds the same run.

    Args:
        folder: of the run.
        settings: all that decides it, as built-in types.

    Raises:
        ValueError: if the folder holds what another run or search made, or a model that no run
            wrote.
    """
    path = expand(folder) / RUN_NAME
    wanted = json.loads(json.dumps(settings))
    if path.is_file() and any((path.parent / name).is_file() for name in _MADE):
        saved = read_json(path)
        for name in dict.fromkeys([*wanted, *saved]):
            before, now = (side.get(name, "not set") for side in (saved, wanted))
            if before != now:
                raise ValueError(
                    f"{folder} holds another run: its {name} is {before!r}, and {now!r} is "
                    "wanted. Ask for the same, or give another --folder"
                )
        return
    own = [name for name in (CARD_NAME, WEIGHTS_NAME) if (path.parent / name).is_file()]
    if own and not path.is_file():
        raise ValueError(
            f"{folder} holds a model that another command wrote ({own[0]} without {RUN_NAME}), "
            "and it would be replaced; give another --folder"
        )
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(wanted, indent=2, ensure_ascii=False) + "\n", "utf-8")


def write_card(folder: Path, card: Card) -> None:
    """Write the card of a run, whole or not at all."""
    with replace_file(expand(folder) / CARD_NAME) as temporary:
        temporary.write_text(card.to_json(), encoding="utf-8")
