"""The notation table is true: every symbol's shape is that of a tensor which a model made."""

from typing import Any

import pytest
import torch
from torch import Tensor

from aigc_tutorial import ar, data, gan
from aigc_tutorial.gan import losses
from aigc_tutorial.pages import notation


def of_gan(batch: int, latent: int, shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """One look at real and generated images."""
    generator = gan.MLPGenerator(gan.MLPGeneratorConfig(latent, shape, hidden=(8,)))
    discriminator = gan.MLPDiscriminator(gan.MLPDiscriminatorConfig(shape, hidden=(8,)))
    z = generator.sample_latent(batch, rng=torch.Generator().manual_seed(0))
    x_real, x_fake = torch.zeros(batch, *shape), generator(z)
    logits_real, logits_fake = discriminator(x_real), discriminator(x_fake)
    return {
        "z": z,
        "x_real": x_real,
        "x_fake": x_fake,
        "logits_real": logits_real,
        "logits_fake": logits_fake,
        "logits_real.sigmoid()": logits_real.sigmoid(),
        "critic(x_real)": discriminator(x_real),
        "loss_discriminator": losses.minimax_discriminator_loss(logits_real, logits_fake),
        "loss_generator": losses.non_saturating_generator_loss(logits_fake),
    }


def of_ar(
    vocab: int, window: int, embedding: int, hidden: int, lengths: list[int], t: int
) -> dict[str, Tensor]:
    """One look at padded sequences by an RNN; the window model lends its one weight."""
    sequences = [torch.arange(length) % vocab for length in lengths]
    tokens, mask = data.pad_sequences(sequences)
    sizes = {"embedding_dim": embedding, "hidden_dim": hidden}
    window_model = ar.WindowModel(ar.WindowConfig(vocab, window, **sizes))
    model = ar.RecurrentModel(ar.RecurrentConfig(vocab, "rnn", **sizes))
    logits, state = model.advance(tokens, model.initial_state(len(tokens)))
    nll = model.nll(tokens, mask)
    weights = dict(model.named_parameters())
    return {
        "tokens": tokens,
        "tokens[:, t]": tokens[:, t],
        "tokens[:, :t]": tokens[:, :t],
        "tokens[:, 0]": tokens[:, 0],
        "embedding.weight": weights["embedding.weight"],
        "hidden.weight": window_model.get_parameter("hidden.weight"),
        "rnn.weight_ih_l0": weights["rnn.weight_ih_l0"],
        "rnn.weight_hh_l0": weights["rnn.weight_hh_l0"],
        "rnn.bias_ih_l0 + rnn.bias_hh_l0": weights["rnn.bias_ih_l0"] + weights["rnn.bias_hh_l0"],
        "state": state,
        "output.weight": weights["output.weight"],
        "output.bias": weights["output.bias"],
        "model(tokens)": logits,
        "probs": logits.softmax(-1),
        "mask": mask,
        "model.nll(tokens, mask)": nll,
        "nll_per_token": nll.sum() / mask[:, 1:].sum(),
    }


@pytest.mark.parametrize(("batch", "latent", "shape"), [(2, 5, (3, 4, 6)), (7, 3, (1, 28, 27))])
def test_gan_symbols_have_their_shapes(batch, latent, shape):
    c, h, w = shape
    notation.check_notation("GAN", of_gan(batch, latent, shape), B=batch, Z=latent, C=c, H=h, W=w)


@pytest.mark.parametrize(
    ("vocab", "window", "embedding", "hidden", "lengths", "t"),
    [(11, 3, 5, 7, [9, 4], 6), (4, 2, 6, 9, [8, 2, 3, 5, 4], 1)],
)
def test_ar_symbols_have_their_shapes(vocab, window, embedding, hidden, lengths, t):
    values = of_ar(vocab, window, embedding, hidden, lengths, t)
    sizes = {"B": len(lengths), "T": max(lengths) - 1, "V": vocab, "E": embedding, "H": hidden}
    notation.check_notation("AR", values, **sizes, n=window, t=t)


def test_a_wrong_shape_is_named():
    values = of_gan(2, 5, (3, 4, 6))
    values["x_real"] = values["x_real"].permute(0, 2, 3, 1)
    with pytest.raises(AssertionError, match=r"x_real has shape \(2, 4, 6, 3\), the table says"):
        notation.check_notation("GAN", values, B=2, Z=5, C=3, H=4, W=6)


def test_symbols_without_tensor_and_tensors_without_symbol_are_refused():
    values = of_gan(2, 5, (3, 4, 6))
    with pytest.raises(ValueError, match="no symbol whose code is y"):
        notation.check_notation("GAN", {**values, "y": torch.zeros(2)})
    del values["z"]
    with pytest.raises(ValueError, match="no tensor of z"):
        notation.check_notation("GAN", values)


def test_every_letter_of_a_shape_is_explained():
    for symbol in notation.SYMBOLS:
        letters = {c for c in symbol.shape if c.isalpha()}
        # t is the place that a symbol speaks of, and no size of the data
        assert letters <= {*notation.LETTERS[symbol.family], "t"}, symbol


@pytest.mark.parametrize("family", notation.LETTERS)
def test_table_shows_every_symbol_and_letter(family, monkeypatch):
    shown: list[Any] = []
    monkeypatch.setattr(notation, "show", shown.append)
    notation.notation_table(family)
    (table,) = shown
    rows = [line for line in table.markdown.splitlines() if line.startswith("| $")]
    assert len(rows) == len(notation.symbols(family))
    assert all(row.count("|") == 6 for row in rows)  # a bar in a formula would cut the cell
    for symbol in notation.symbols(family):
        assert f"`{symbol.code}`" in table.markdown
        assert symbol.code in table.plain
    for letter, meaning in notation.LETTERS[family].items():
        assert f"{letter} {meaning}" in table.plain
