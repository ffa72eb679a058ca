"""The autoencoder with a codebook, and its training with and without a discriminator."""

import dataclasses
import inspect
from typing import Any

import pytest
import torch
from torch import nn

from aigc_tutorial import gan
from aigc_tutorial.data import ImageDataset, Source
from aigc_tutorial.gan.losses import NON_SATURATING
from aigc_tutorial.gan.penalties import r1_penalty
from aigc_tutorial.gan.vqgan import VQGANTrainer
from aigc_tutorial.training import Engine
from tests import second_device

SHAPE = (1, 8, 8)


def networks() -> tuple[gan.VQAutoencoder, gan.ConvDiscriminator]:
    torch.manual_seed(0)
    sizes = gan.VQAutoencoderConfig(SHAPE, channels=(8, 16), n_codes=6, code_dim=3)
    judge = gan.ConvDiscriminator(gan.ConvDiscriminatorConfig(SHAPE, (4, 6, 8)))
    return gan.VQAutoencoder(sizes), judge


def images(n: int = 64) -> torch.Tensor:
    """Bars in one of four places: few bits are enough for them."""
    x = -torch.ones(n, *SHAPE)
    for i in range(n):
        x[i, :, :, 2 * (i % 4) : 2 * (i % 4) + 2] = 1
    return x


def train(n_images: int = 3_000, seed: int = 0, **settings: Any) -> gan.VQGANTrainingResult:
    config = gan.VQGANTrainingConfig(
        n_images=n_images, batch_size=16, warmup_images=100, penalty_every=2, **settings
    )
    return gan.train_vqgan(*networks(), images(), config=config, seed=seed, progress_bar=False)


def test_codes_are_a_quarter_of_the_size_and_decode_to_what_forward_makes():
    autoencoder, _ = networks()
    x = images(5)
    autoencoder.quantiser.update(
        autoencoder.encoder(x).detach(), autoencoder(x).codes, rng=torch.Generator().manual_seed(0)
    )
    codes = autoencoder.encode(x, batch_size=2)
    assert codes.shape == (5, *autoencoder.code_shape) == (5, 2, 2)
    assert torch.equal(codes, autoencoder(x).codes)
    torch.testing.assert_close(autoencoder.decode(codes, batch_size=3), autoencoder(x).images)


def test_an_image_has_its_codes_whatever_else_is_in_the_batch():
    autoencoder = train(160).autoencoder
    x = images(8)
    assert torch.equal(autoencoder.encode(x)[:1], autoencoder.encode(x[:1]))


def test_training_lets_the_image_through_the_codes():
    result = train()
    x = images(4)
    blank = (x + 1).square().mean()
    assert (result.autoencoder(x).images - x).square().mean() < 0.1 * blank
    assert len(result.autoencoder.encode(x).unique()) > 1


def test_the_encoder_learns_through_the_codes():
    """The gradient passes the quantiser: cut there, the encoder would stay as it was."""
    result, (untrained, _) = train(160, commitment_weight=0.0), networks()
    for name, weights in result.autoencoder.encoder.named_parameters():
        assert not torch.equal(weights, dict(untrained.encoder.named_parameters())[name]), name


def test_without_the_adversarial_loss_the_discriminator_is_left_alone():
    result, (_, untrained) = train(160, adversarial_weight=0.0), networks()
    for name, weights in result.discriminator.state_dict().items():
        assert torch.equal(weights, untrained.state_dict()[name]), name
    assert "loss_discriminator" not in result.history


def test_with_it_both_networks_learn_from_each_other():
    with_it, without = train(160), train(160, adversarial_weight=0.0)
    for name, weights in with_it.discriminator.named_parameters():
        assert not torch.equal(weights, dict(without.discriminator.named_parameters())[name])
    pairs = zip(
        with_it.autoencoder.decoder.parameters(),
        without.autoencoder.decoder.parameters(),
        strict=True,
    )
    assert all(not torch.equal(a, b) for a, b in pairs)


def test_a_step_minimises_the_losses_with_their_weights(monkeypatch):
    config = gan.VQGANTrainingConfig(
        n_images=64,
        batch_size=16,
        warmup_images=1,
        commitment_weight=0.3,
        adversarial_weight=0.2,
        r1_gamma=6e4,  # at first the logits hardly know the image
        penalty_every=2,
    )
    player = VQGANTrainer(
        *networks(),
        loss=NON_SATURATING,
        config=config,
        rng=torch.Generator().manual_seed(0),
        engine=Engine(),
    )
    minimised: list[float] = []
    minimise = player.engine.minimise

    def watch(loss: torch.Tensor, *rest: Any) -> None:
        minimised.append(loss.item())
        minimise(loss, *rest)

    monkeypatch.setattr(player.engine, "minimise", watch)
    x = images(16)
    for weight in (3e4 * 2, 0.0):  # half of R1's, times the steps for which it stands
        penalty = r1_penalty(player.discriminator, x).item()
        row = {name: float(value) for name, value in player.step(x, 0.1).items()}
        of_discriminator, of_autoencoder = minimised[-2:]
        assert of_discriminator - row["loss_discriminator"] == pytest.approx(
            weight * penalty, rel=1e-4, abs=1e-6
        )
        assert of_autoencoder == pytest.approx(
            row["reconstruction"] + 0.3 * row["commitment"] + 0.2 * row["loss_generator"], rel=1e-5
        )
        assert row["commitment"] > 1e-3
        assert 6e4 * penalty > 1e-3  # neither is lost in rounding


def test_a_loss_that_compares_no_pairs_will_do():
    config = gan.VQGANTrainingConfig(n_images=64, batch_size=16, warmup_images=10)
    result = gan.train_vqgan(
        *networks(), images(), loss=NON_SATURATING, config=config, progress_bar=False
    )
    assert result.history["loss_generator"][-1] > 0


def test_the_seed_decides():
    a, b, c = train(160), train(160), train(160, seed=1)
    weights = [next(r.autoencoder.encoder.parameters()) for r in (a, b, c)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_saved_autoencoder_has_its_codebook(tmp_path):
    autoencoder = train(160).autoencoder
    autoencoder.save_pretrained(tmp_path)
    read = gan.VQAutoencoder.from_pretrained(tmp_path)
    assert torch.equal(read.encode(images(4)), autoencoder.encode(images(4)))


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.full((1, 2, 2), 6), "0 … 5, got 6"),
        (torch.full((1, 2, 2), -1), "0 … 5, got -1"),
        (torch.zeros(1, 3, 2, dtype=torch.int64), "expected codes"),
        (torch.zeros(1, 2, 2), "whole numbers"),
    ],
)
def test_codes_that_are_none_are_refused(codes, message):
    with pytest.raises(ValueError, match=message):
        networks()[0].decode(codes)


def test_images_of_another_size_or_range_are_refused():
    with pytest.raises(ValueError, match="expected a batch of shape"):
        networks()[0](torch.zeros(1, 1, 12, 12))
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        gan.train_vqgan(*networks(), 3 * images(), progress_bar=False)
    with pytest.raises(ValueError, match="multiples of 4"):
        gan.VQAutoencoderConfig((1, 10, 8))


def test_training_differentiates_whatever_the_caller_has_switched_off():
    pair, rows = networks(), images()
    config = gan.VQGANTrainingConfig(n_images=32, batch_size=16)
    with torch.inference_mode():
        assert gan.train_vqgan(*pair, rows, config=config, progress_bar=False).n_images == 32


def test_training_within_a_callers_autocast_is_refused():
    with torch.autocast("cpu", dtype=torch.bfloat16), pytest.raises(RuntimeError, match="leave"):
        train(32)


def test_what_is_no_loss_config_or_discriminator_without_classes_is_refused():
    unchecked: Any = inspect.unwrap(gan.train_vqgan)  # as where no types are checked
    with pytest.raises(TypeError, match="loss must be"):
        unchecked(*networks(), images(), loss="hinge")
    with pytest.raises(TypeError, match="of the class VQGANTrainingConfig"):
        unchecked(*networks(), images(), config=gan.GANTrainingConfig())
    told = gan.ConvDiscriminator(gan.ConvDiscriminatorConfig(SHAPE, (4, 6, 8), n_classes=3))
    with pytest.raises(ValueError, match="n_classes is None, got 3"):
        gan.train_vqgan(networks()[0], told, images())


def test_a_run_with_another_loss_of_the_same_name_is_told_from_the_first():
    def trainer(loss: gan.losses.AdversarialLoss) -> VQGANTrainer:
        return VQGANTrainer(
            *networks(),
            loss=loss,
            config=gan.VQGANTrainingConfig(),
            rng=torch.Generator(),
            engine=Engine(device="cpu"),
        )

    impostor = dataclasses.replace(NON_SATURATING, generator=lambda logits: logits.mean())
    assert trainer(impostor).loss.name == trainer(NON_SATURATING).loss.name
    assert trainer(impostor).settings() != trainer(NON_SATURATING).settings()


def test_model_and_data_may_be_on_two_devices():
    autoencoder = train(160).autoencoder
    codes, x = autoencoder.encode(images(3)), autoencoder.decode(autoencoder.encode(images(3)))
    there = autoencoder.to(second_device.device())
    assert torch.equal(there.encode(images(3)).cpu(), codes)
    torch.testing.assert_close(there.decode(codes).cpu(), x)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ((images(4) + 1) / 2, r"\[-1, 1\].*2 \* images - 1"),
        ((127.5 * (images(4) + 1)).to(torch.uint8), "pixels_to_images"),
        (torch.where(images(4) > 0, torch.nan, images(4)), "NaN or infinite"),
        (images(4)[:, 0], r"shape \(N, C, H, W\)"),
    ],
)
def test_images_that_have_no_codes_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        networks()[0].encode(wrong)


def test_images_of_every_kind_and_precision_have_the_same_codes():
    autoencoder, x = train(160).autoencoder, images(4)
    codes = autoencoder.encode(x)
    dataset = ImageDataset(x, torch.zeros(4).long(), Source("embedded", "here", "made up"))
    for same in (x.numpy(), x.double(), x.half(), dataset):
        assert torch.equal(autoencoder.encode(same), codes)
    for precise in (autoencoder.double(), autoencoder.bfloat16()):
        codes = precise.encode(x)
        assert precise.decode(codes).dtype == next(precise.parameters()).dtype


@pytest.mark.parametrize("channels", [(8, 12), (28, 56), (30, 60), (50, 100), (17, 31)])
def test_any_number_of_channels_will_do(channels):
    autoencoder = gan.VQAutoencoder(gan.VQAutoencoderConfig(SHAPE, channels=channels))
    assert autoencoder(images(2)).images.shape == (2, *SHAPE)


def test_parts_that_the_caller_put_into_evaluation_mode_stay_in_it():
    class WithDropout(gan.ConvDiscriminator):
        def __init__(self, config: gan.ConvDiscriminatorConfig) -> None:
            super().__init__(config)
            self.dropout = nn.Dropout(0.5)
            self.modes: set[bool] = set()

        def forward(self, x, labels=None):
            self.modes.add(self.dropout.training)
            return super().forward(self.dropout(x), labels)

    autoencoder, plain = networks()
    discriminator = WithDropout(plain.config)
    discriminator.dropout.eval()
    config = gan.VQGANTrainingConfig(n_images=32, batch_size=16)
    gan.train_vqgan(autoencoder, discriminator, images(), config=config, progress_bar=False)
    assert discriminator.modes == {False}


@pytest.mark.parametrize("name", ["decay", "dead_below"])
def test_how_the_codebook_moves_is_part_of_a_run(name, tmp_path):
    def start(value: float | None) -> gan.VQGANTrainingResult:
        autoencoder, discriminator = networks()
        if value is not None:
            setattr(autoencoder.quantiser, name, value)
        config = gan.VQGANTrainingConfig(n_images=32, batch_size=16)
        return gan.train_vqgan(
            autoencoder, discriminator, images(), config=config, checkpoint_folder=tmp_path,
            progress_bar=False,
        )  # fmt: skip

    start(None)
    with pytest.raises(ValueError, match=f"its quantiser's {name} is .* is wanted"):
        start(0.1)


def test_half_precision_is_refused():
    with pytest.raises(ValueError, match="full precision"):
        gan.train_vqgan(
            *networks(), images(), progress_bar=False,
            engine=Engine(device="cpu", mixed_precision="bf16"),
        )  # fmt: skip
