"""Training of the zoo's model of Tang poems, and what is measured on poems that it writes."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.models.ngram import NGramConfig, NGramModel
from aigc_tutorial.ar.models.transformer import TransformerConfig
from aigc_tutorial.ar.recipes import SHAKESPEARE
from aigc_tutorial.data import Poem, PoemDataset, tang_poems
from aigc_tutorial.data.batches.tokens import pad_sequences
from aigc_tutorial.evaluation import sequence_likelihood
from aigc_tutorial.tokenizers import CharacterTokenizer, Tokenizer
from aigc_tutorial.training import Engine
from aigc_tutorial.zoo.card import Metric
from aigc_tutorial.zoo.entries import rounded
from aigc_tutorial.zoo.training.making import fit, run_of, write_entry

N_SAMPLES = 500
SAMPLE_SEED = 2026
LONGEST = 4 * 7 + 3 + 1  # characters, line breaks and the end of the longest quatrain
NGRAM_ORDER = 3
CHECKPOINT_EVERY = 25_000
N_QUATRAINS = 14_160

TANG = dataclasses.replace(
    SHAKESPEARE,
    name="tang-quatrains",
    # Two tokens more than the longest quatrain: what runs on is seen to.
    model_config=TransformerConfig(vocab_size=1, context=LONGEST + 2, token_shift=3),
    training=dataclasses.replace(SHAKESPEARE.training, n_tokens=800_000, batch_size=32),
)


def train_tang(seed: int, folder: Path) -> Path:
    """Train the model of quatrains, measure it beside n-grams and write the entry.

    An interrupted training goes on where it was when the command is given again.

    Args:
        seed: Seed of the training.
        folder: Folder of the zoo.

    Returns:
        The entry's folder.
    """
    poems, held_out = real_quatrains()
    tokenizer = alphabet_of(poems)
    rows, engine = encode(tokenizer, poems.poems), Engine()
    result = fit(
        TANG,
        rows,
        seed,
        engine=engine,
        checkpoint_every=CHECKPOINT_EVERY,
        vocab_size=tokenizer.vocab_size,
    )
    model = rounded(result.model.cpu())
    ngrams = NGramModel(NGramConfig(tokenizer.vocab_size, order=NGRAM_ORDER)).fit(*rows)
    metrics = measure(model, tokenizer, poems, held_out)
    for name, metric in measure(ngrams, tokenizer, poems, held_out, batch_size=16).items():
        protocol = f"the same of {NGRAM_ORDER}-grams with Kneser-Ney smoothing: {metric.protocol}"
        metrics[f"{name}_of_ngrams"] = dataclasses.replace(metric, protocol=protocol)
    return write_entry(
        TANG.name,
        model,
        run_of(result, TANG.training, seed=seed, unit="tokens", engine=engine),
        title="Writes quatrains of 5 or 7 characters a line, in the manner of the Tang poets",
        data=f"{len(poems):,} regular quatrains of the Tang dynasty, in traditional characters",
        data_source="tang/poet.tang.*.json, the Quan Tangshi of 1705 as chinese-poetry has it "
        "(SHA-256 in aigc_tutorial.data)",
        metrics=metrics,
        notes="For teaching. Begin with the token bos; a poem ends with eos. Tones and rhymes are "
        "not checked, and a poem seldom means much.",
        tokenizer=tokenizer,
        folder=folder,
    )


def real_quatrains() -> tuple[PoemDataset, PoemDataset]:
    """All regular quatrains, those to train on and those held out.

    Raises:
        ValueError: If only the few that stand in for them are at hand.
    """
    poems, held_out = tang_poems("train"), tang_poems("validation")
    if len(poems) + len(held_out) != N_QUATRAINS:
        raise ValueError(
            f"The zoo is trained on {N_QUATRAINS:,} quatrains less those held out, got "
            f"{len(poems) + len(held_out):,} from {poems.source.location}. Set "
            "AIGC_TUTORIAL_DATA to a folder that holds tang/poet.tang.*.json, or allow the "
            "download."
        )
    return poems, held_out


def alphabet_of(poems: PoemDataset) -> CharacterTokenizer:
    """A token for each character of the poems, and for all others one more."""
    text = "\n".join(poem.text for poem in poems.poems)
    return CharacterTokenizer.from_text(text, special_tokens=("bos", "eos"), unknown=True)


def encode(
    tokenizer: Tokenizer, poems: Sequence[Poem]
) -> tuple[Int64[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """One row for each poem, from bos to eos, and the mask of what is no padding."""
    bos, eos = torch.tensor([tokenizer.bos_id]), torch.tensor([tokenizer.eos_id])
    return pad_sequences([torch.cat([bos, tokenizer.encode(poem.text), eos]) for poem in poems])


def write(
    model: AutoregressiveModel, tokenizer: Tokenizer, n: int, rng: torch.Generator
) -> list[Poem]:
    """Let a model write poems without title, at temperature 1.

    Args:
        model: A model of quatrains.
        tokenizer: What it was trained with.
        n: How many.
        rng: Source of randomness.
    """
    assert tokenizer.bos_id is not None
    assert tokenizer.eos_id is not None
    tokens = model.generate(
        torch.full((n, 1), tokenizer.bos_id),
        max_new_tokens=LONGEST + 1,
        stop_tokens=[tokenizer.eos_id],
        rng=rng,
    )
    return [Poem("", "", tuple(tokenizer.decode(row).split("\n"))) for row in tokens]


def measure(
    model: AutoregressiveModel,
    tokenizer: CharacterTokenizer,
    poems: PoemDataset,
    held_out: PoemDataset,
    *,
    n_samples: int = N_SAMPLES,
    batch_size: int = 128,
) -> dict[str, Metric]:
    """Likelihood of held-out poems, and of poems written the form and what is copied.

    Args:
        model: The model.
        tokenizer: What it was trained with.
        poems: What it was trained on.
        held_out: What it was not.
        n_samples: Poems to write.
        batch_size: Held-out poems that are scored at once.
    """
    report = sequence_likelihood(model, encode(tokenizer, held_out.poems), batch_size=batch_size)
    characters = [c for poem in held_out.poems for line in poem.lines for c in line]
    n_unknown = sum(c not in tokenizer.alphabet for c in characters)
    written = write(model, tokenizer, n_samples, torch.Generator().manual_seed(SAMPLE_SEED))
    known_lines = {line for poem in poems.poems for line in poem.lines}
    lines = [line for poem in written for line in poem.lines]
    samples = f"{n_samples:,} samples of torch seed {SAMPLE_SEED} at temperature 1"
    return {
        "bits_per_character": Metric(
            round(report.bits_per(len(characters)), 4),
            len(held_out),
            f"the {len(held_out):,} held-out quatrains, with line breaks and the end predicted "
            f"too, per character of their lines; {n_unknown} of {len(characters):,} characters "
            "are not in the vocabulary and are scored as the unknown token",
        ),
        "share_that_scans": Metric(
            sum(poem.is_quatrain for poem in written) / n_samples,
            n_samples,
            f"{samples}: share with four lines of 5 characters each, or of 7 each",
        ),
        "share_of_lines_copied": Metric(
            round(sum(line in known_lines for line in lines) / len(lines), 4),
            n_samples,
            f"{samples}: share of their {len(lines):,} lines that are a line of a training poem",
        ),
    }
