"""The Hugging Face Hub: a trained model with its card, for others to load by a name.

>>> from aigc_tutorial import zoo
>>> page = zoo.model_card(zoo.card("mnist-conv-gan"), "user/digits")
>>> print(page.splitlines()[0])
---
>>> 'ConvGenerator.from_pretrained("user/digits")' in page
True

What is pushed is what an entry of the zoo holds, and a page made from its card; any model of this
package loads it by its ``from_pretrained("user/digits")``.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.environment import is_offline
from aigc_tutorial.nn import Pretrained
from aigc_tutorial.nn.pretrained import is_hub_name
from aigc_tutorial.tokenizers import Tokenizer
from aigc_tutorial.zoo.card import Card
from aigc_tutorial.zoo.entries import CARD_NAME, TOKENIZER_NAME

_DRAWS, _NAMES, _WRITES = (
    "unconditional-image-generation",
    "image-classification",
    "text-generation",
)
# Of each class of model that there is a card of: where it is imported from, and its task.
_KINDS = {
    "ConvGenerator": ("gan", _DRAWS),
    "DigitClassifier": ("evaluation", _NAMES),
    "MLPGenerator": ("gan", _DRAWS),
    "MixtureGenerator": ("gan", _DRAWS),
    "PixelCNN": ("ar", _DRAWS),
    "Transformer": ("ar", _WRITES),
}


def push_to_hub(
    model: Pretrained,
    repository: str,
    card: Card,
    *,
    tokenizer: Tokenizer | None = None,
    private: bool = True,
    token: str | None = None,
    message: str | None = None,
) -> str:
    """Upload a model, its card and its tokenizer, in one commit.

    Args:
        model: as it is saved by ``save_pretrained``.
        repository: ``"user/model"``; it is made if there is none.
        card: of the model; the repository's page is made from it.
        tokenizer: of a model of text.
        private: whether a repository that is made is seen by its owner alone.
        token: to write with; by default that of ``hf auth login`` or ``HF_TOKEN``.
        message: of the commit.

    Returns:
        Address of the commit.

    Raises:
        KeyError: as :func:`model_card` does.
        ValueError: if the name is no "user/model", card and model do not belong together, a model
            of text has no tokenizer or another's, or the model cannot be saved.
        ConnectionError: if the Hub cannot be reached or refuses, or the network is forbidden.
    """
    if not is_hub_name(repository):
        raise ValueError(f'a repository is named "user/model", got {repository!r}')
    if is_offline() or is_offline("HF_HUB_OFFLINE"):
        raise ConnectionError(
            f"{repository} is not pushed, since AIGC_TUTORIAL_OFFLINE or HF_HUB_OFFLINE is set"
        )
    from huggingface_hub import ModelCard, PyTorchModelHubMixin

    if card.model != type(model).__name__:
        raise ValueError(f"the card is of a {card.model}, and the model a {type(model).__name__}")
    if isinstance(model, AutoregressiveModel) != (tokenizer is not None):
        raise ValueError("a model of text is pushed with its tokenizer, and another without one")
    n_tokens = model.vocab_size if isinstance(model, AutoregressiveModel) else None
    if tokenizer is not None and tokenizer.vocab_size != n_tokens:
        raise ValueError(
            f"the model has {n_tokens} tokens and the tokenizer {tokenizer.vocab_size}; "
            "give the tokenizer that the model was trained with"
        )
    # All is written before the Hub is asked for anything: what cannot be saved leaves no
    # repository there, and is told as what it is.
    page = ModelCard(model_card(card, repository))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model.save_pretrained(folder)
        (folder / CARD_NAME).write_text(card.to_json(), encoding="utf-8")
        if tokenizer is not None:
            tokenizer.save(folder / TOKENIZER_NAME)

        class Upload(PyTorchModelHubMixin):
            """What is saved is ours, strictly checked; how it is sent is the library's."""

            def _save_pretrained(self, save_directory: Path) -> None:
                shutil.copytree(folder, save_directory, dirs_exist_ok=True)

            def generate_model_card(self, *_: Any, **__: Any) -> ModelCard:
                return page

        said = message or f"{card.name}: {card.title}"
        try:
            address = Upload().push_to_hub(
                repository, private=private, token=token, commit_message=said
            )
        except Exception as error:  # of its network library too, which changes with its versions
            raise ConnectionError(
                f"{repository} could not be pushed to the Hugging Face Hub: {error}"
            ) from error
    return str(address)


def model_card(card: Card, repository: str) -> str:
    """A repository's page: what the card says, each number with its protocol, and how to load it.

    Args:
        card: of the model.
        repository: ``"user/model"``.

    Raises:
        KeyError: if the card is of a class of model that the package does not have.
    """
    from huggingface_hub import EvalResult, ModelCardData

    if card.model not in _KINDS:
        raise KeyError(
            f"there is no page for a {card.model}, only for {', '.join(_KINDS)}; upload the folder "
            "that save_pretrained writes"
        )
    package, task = _KINDS[card.model]
    protocols = list(dict.fromkeys(metric.protocol for metric in card.metrics.values()))
    results = [
        EvalResult(
            task_type=task,
            dataset_type="held-out",
            dataset_name=metric.protocol,
            dataset_config=f"protocol {protocols.index(metric.protocol) + 1}",
            metric_type=name,
            metric_value=metric.value,
        )
        for name, metric in card.metrics.items()
    ]
    licence = None if card.licence == "not stated" else card.licence.lower()
    head = ModelCardData(
        license=licence,
        library_name="aigc_tutorial",
        pipeline_tag=task,
        tags=["aigc_tutorial", card.model],
        model_name=card.name if results else None,
        eval_results=results or None,
    )
    measured = [
        f"- {', '.join(n for n, m in card.metrics.items() if m.protocol == protocol)}: {protocol}"
        for protocol in protocols
    ]
    parts = [
        f"---\n{head.to_yaml()}\n---",
        f"# {card.name}\n\n{card.title}.",
        f"```python\nfrom aigc_tutorial.{package} import {card.model}\n\n"
        f'model = {card.model}.from_pretrained("{repository}")\n```',
        card._repr_markdown_().rstrip(),
        "\n".join(["How each number was measured:", "", *measured]) if measured else "",
        card.notes,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
