"""Training of the zoo's larger model of English, which reads pieces of words."""

import dataclasses
import math
from pathlib import Path

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.recipes import SHAKESPEARE
from aigc_tutorial.cpu import fast_precision
from aigc_tutorial.data import TextDataset, docstring_prose, python_documentation
from aigc_tutorial.evaluation import text_likelihood
from aigc_tutorial.tokenizers import BPETokenizer, Tokenizer
from aigc_tutorial.training import Engine
from aigc_tutorial.zoo.card import Metric
from aigc_tutorial.zoo.entries import rounded
from aigc_tutorial.zoo.training.making import fit, run_of, write_entry
from aigc_tutorial.zoo.training.text import CHECKPOINT_EVERY, whole_shakespeare

VOCAB_SIZE = 2048

ENGLISH_SUBWORDS = dataclasses.replace(
    SHAKESPEARE,
    name="english-subwords",
    model_config=dataclasses.replace(
        SHAKESPEARE.model_config,
        vocab_size=VOCAB_SIZE,
        context=128,
        n_layers=5,
        n_heads=6,
        width=192,
    ),
    training=dataclasses.replace(
        SHAKESPEARE.training,
        n_tokens=15_000_000,
        batch_size=16,
        context=128,
        learning_rate_matrices=0.012,
        learning_rate_others=0.008,
        warmup_tokens=100_000,
    ),
)


def train_subwords(seed: int, folder: Path) -> Path:
    """Train the model of English subwords, measure it and write the entry.

    An interrupted training goes on where it was when the command is given again, with the same
    packages installed: their docstrings are what it reads.

    Args:
        seed: Seed of the training.
        folder: Folder of the zoo.

    Returns:
        The entry's folder.
    """
    texts = read_texts()
    parts = [text.split("train").text for text in texts.values()]
    lines = (line for part in parts for line in part.splitlines(keepends=True))
    tokenizer = BPETokenizer.train(lines, VOCAB_SIZE)
    train = tokenizer.encode("\n".join(parts))
    recipe, engine = ENGLISH_SUBWORDS, Engine(mixed_precision=fast_precision())
    result = fit(recipe, train, seed, engine=engine, checkpoint_every=4 * CHECKPOINT_EVERY)
    model = rounded(result.model.cpu())
    return write_entry(
        recipe.name,
        model,
        run_of(result, recipe.training, seed=seed, unit="tokens", engine=engine),
        title="Writes English, piece of word by piece of word: a model to fine-tune",
        data="the first 90 % of the docstrings of the book's packages, of Python's reference "
        f"documentation and of tiny Shakespeare, {len(train):,} tokens",
        data_source=f"{texts['docstrings'].source.description} "
        f"{texts['documentation'].source.location}: {texts['documentation'].source.description} "
        "text/tinyshakespeare.txt (SHA-256 in aigc_tutorial.data.catalogue)",
        metrics=measure(model, tokenizer, texts),
        notes="A start for fine-tuning. It has read technical English and plays, and knows no "
        "facts.",
        tokenizer=tokenizer,
        folder=folder,
    )


def read_texts() -> dict[str, TextDataset]:
    """What the model learns from and is measured on, by the names that its card uses."""
    return {
        "docstrings": docstring_prose(),
        "documentation": python_documentation(),
        "shakespeare": whole_shakespeare(),
    }


def measure(
    model: AutoregressiveModel, tokenizer: Tokenizer, texts: dict[str, TextDataset]
) -> dict[str, Metric]:
    """The likelihood of the last tenth of each text.

    Args:
        model: The trained model.
        tokenizer: Its tokenizer.
        texts: The whole texts, by name.
    """
    return {
        f"bits_per_byte_{name}": bits_per_byte(model, tokenizer, text, of=name)
        for name, text in texts.items()
    }


def bits_per_byte(
    model: AutoregressiveModel, tokenizer: Tokenizer, text: TextDataset, *, of: str
) -> Metric:
    """The likelihood of a text's last tenth in a unit that does not depend on the tokenizer.

    Args:
        model: The trained model.
        tokenizer: Its tokenizer.
        text: The whole text.
        of: What it is, for the protocol.
    """
    held_out = text.split("validation").text
    context = model.context
    assert context is not None
    report = text_likelihood(model, tokenizer.encode(held_out), context=context)
    nats = report.nats_per_token * report.n_predictions
    n_bytes = len(held_out.encode())
    return Metric(
        round(nats / math.log(2) / n_bytes, 5),
        report.n_predictions,
        f"{of}, the last 10 %, {n_bytes:,} bytes; {report.protocol}",
    )
