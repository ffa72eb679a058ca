"""Training of the zoo's models of English text."""

import dataclasses
from pathlib import Path

from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.recipes import SHAKESPEARE
from aigc_tutorial.data import TextDataset, python_documentation, tiny_shakespeare
from aigc_tutorial.evaluation import text_likelihood
from aigc_tutorial.tokenizers import ByteTokenizer, CharacterTokenizer
from aigc_tutorial.training import Engine
from aigc_tutorial.zoo.card import Metric
from aigc_tutorial.zoo.entries import rounded
from aigc_tutorial.zoo.training.making import fit, run_of, write_entry

CHECKPOINT_EVERY = 25_000
N_SHAKESPEARE = 1_115_394

LONG_SHAKESPEARE = dataclasses.replace(
    SHAKESPEARE,
    model_config=dataclasses.replace(SHAKESPEARE.model_config, context=128),
    training=dataclasses.replace(
        SHAKESPEARE.training, n_tokens=4_000_000, batch_size=8, context=128
    ),
)

ENGLISH = dataclasses.replace(
    SHAKESPEARE,
    name="english-bytes",
    model_config=dataclasses.replace(SHAKESPEARE.model_config, vocab_size=256, context=128),
    training=dataclasses.replace(
        SHAKESPEARE.training, n_tokens=1_000_000, batch_size=8, context=128
    ),
)


def train_shakespeare(seed: int, folder: Path) -> Path:
    """Train the character model of tiny Shakespeare, measure it and write the entry.

    An interrupted training goes on where it was when the command is given again.

    Args:
        seed: Seed of the training.
        folder: Folder of the zoo.

    Returns:
        The entry's folder.
    """
    text = whole_shakespeare()
    tokenizer = CharacterTokenizer.from_text(text.text)
    train = tokenizer.encode(text.split("train").text)
    held_out = tokenizer.encode(text.split("validation").text)
    recipe, engine = LONG_SHAKESPEARE, Engine()
    result = fit(recipe, train, seed, engine=engine, checkpoint_every=CHECKPOINT_EVERY)
    model = rounded(result.model.cpu())
    return write_entry(
        recipe.name,
        model,
        run_of(result, recipe.training, seed=seed, unit="characters", engine=engine),
        title="Writes in the manner of Shakespeare's plays, character by character",
        data=f"tiny Shakespeare, the first {len(train):,} characters",
        data_source="text/tinyshakespeare.txt (SHA-256 in aigc_tutorial.data.catalogue)",
        metrics=likelihood(model, held_out, what="character", of="tiny Shakespeare's last 10 %"),
        notes="For teaching. It spells and keeps the form of a play, and makes no sense for long.",
        tokenizer=tokenizer,
        folder=folder,
    )


def train_english(seed: int, folder: Path) -> Path:
    """Train the byte model of English, measure it and write the entry.

    An interrupted training goes on where it was when the command is given again.

    Args:
        seed: Seed of the training.
        folder: Folder of the zoo.

    Returns:
        The entry's folder.
    """
    tokenizer, recipe, engine = ByteTokenizer(), ENGLISH, Engine()
    plays, documentation = whole_shakespeare(), python_documentation()
    train = english_bytes(plays, documentation)
    result = fit(recipe, train, seed, engine=engine, checkpoint_every=CHECKPOINT_EVERY)
    model = rounded(result.model.cpu())
    metrics: dict[str, Metric] = {}
    for name, text, of in (
        ("documentation", documentation, "the documentation's last 10 %"),
        ("shakespeare", plays, "tiny Shakespeare's last 10 %"),
    ):
        tokens = tokenizer.encode(text.split("validation").text)
        found = likelihood(model, tokens, what="byte", of=of)
        metrics |= {f"{key}_{name}": metric for key, metric in found.items()}
    return write_entry(
        recipe.name,
        model,
        run_of(result, recipe.training, seed=seed, unit="bytes", engine=engine),
        title="Writes English, byte by byte: a small model to fine-tune",
        data="the first 90 % of Python's reference documentation and of tiny Shakespeare, "
        f"{len(train):,} bytes",
        data_source=f"{documentation.source.location}: {documentation.source.description} "
        "text/tinyshakespeare.txt (SHA-256 in aigc_tutorial.data.catalogue)",
        metrics=metrics,
        notes="A start for fine-tuning, for teaching. It has read two kinds of English, technical "
        "and Elizabethan, and knows no facts.",
        tokenizer=tokenizer,
        folder=folder,
    )


def english_bytes(plays: TextDataset, documentation: TextDataset) -> Int64[Tensor, " N"]:
    """What the byte model is trained on: both texts' first 90 %, one after the other."""
    parts = (text.split("train").text for text in (documentation, plays))
    return ByteTokenizer().encode("\n".join(parts))


def likelihood(
    model: AutoregressiveModel, held_out: Int64[Tensor, " N"], *, what: str, of: str
) -> dict[str, Metric]:
    """Negative log-likelihood of a whole held-out text.

    Args:
        model: The trained model.
        held_out: The text's tokens.
        what: What a token is: character or byte.
        of: What the text is, for the protocol.
    """
    context = model.context
    assert context is not None
    report = text_likelihood(model, held_out, context=context)
    overlapping = text_likelihood(model, held_out, context=context, stride=context // 4)
    return {
        f"nats_per_{what}": Metric(
            round(report.nats_per_token, 5), report.n_predictions, f"{of}; {report.protocol}"
        ),
        f"bits_per_{what}": Metric(
            round(report.bits_per_token, 5), report.n_predictions, f"{of}; {report.protocol}"
        ),
        f"nats_per_{what}_overlapping": Metric(
            round(overlapping.nats_per_token, 5),
            overlapping.n_predictions,
            f"{of}; {overlapping.protocol}",
        ),
    }


def whole_shakespeare() -> TextDataset:
    """Tiny Shakespeare, and nothing in its place.

    Raises:
        ValueError: If only the text that stands in for it is at hand.
    """
    text = tiny_shakespeare("all")
    if len(text) != N_SHAKESPEARE:
        raise ValueError(
            f"The zoo is trained on tiny Shakespeare's {N_SHAKESPEARE:,} characters, got "
            f"{len(text):,} from {text.source.location}. Set AIGC_TUTORIAL_DATA to a folder that "
            "holds text/tinyshakespeare.txt, or allow the download."
        )
    return text
