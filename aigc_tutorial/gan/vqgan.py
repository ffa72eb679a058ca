"""VQGAN in miniature: an autoencoder whose code is a grid of whole numbers, trained as a GAN.

What it is for: an autoregressive model over the codes makes images in far fewer steps than one over
pixels, and the discriminator sees to it that what the decoder adds looks real (Esser et al., 2021,
arXiv 2012.09841).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.config import Config, as_instance
from aigc_tutorial.data import ShuffledBatches
from aigc_tutorial.data.checks import Samples, as_images
from aigc_tutorial.gan.base import (
    Discriminator,
    check_image_shape,
    check_images,
    check_network,
    training_rows,
)
from aigc_tutorial.gan.losses import RELATIVISTIC, AdversarialLoss, checked_loss
from aigc_tutorial.gan.penalties import r1_penalty
from aigc_tutorial.gan.trainer import settings_of_loss
from aigc_tutorial.integers import IntegersLike, as_count, as_int64
from aigc_tutorial.nn import Pretrained, devices_restored, evaluation_mode, frozen, gradients_on
from aigc_tutorial.nn.quantiser import VectorQuantiser
from aigc_tutorial.optim import JointOptimizer, warmup_flat_decay
from aigc_tutorial.training import Engine, History, run
from aigc_tutorial.training.checkpoint import (
    check_settings,
    settings_of,
    settings_of_model,
    settings_of_weights,
)
from aigc_tutorial.training.engine import as_engine


@dataclass(frozen=True)
class VQAutoencoderConfig(Config):
    """Configuration of :class:`VQAutoencoder`.

    Attributes:
        image_shape: (C, H, W) of one image; H and W are multiples of 4.
        channels: feature maps at half of the size and at a quarter.
        n_codes: K, entries of the codebook.
        code_dim: D, numbers in a code's vector.
    """

    image_shape: tuple[int, ...] = (1, 28, 28)
    channels: tuple[int, int] = (32, 64)
    n_codes: int = 64
    code_dim: int = 8

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        check_image_shape(self.image_shape)
        self.require("channels", "n_codes", "code_dim", at_least=1)
        if len(self.image_shape) != 3 or self.image_shape[1] % 4 or self.image_shape[2] % 4:
            raise ValueError(
                "image_shape must be (channels, height, width) with height and width multiples of "
                f"4, got {self.image_shape}; pad the images"
            )


@dataclass(frozen=True)
class Reconstruction:
    """What an autoencoder makes of images.

    Attributes:
        images: decoded from the codes alone.
        features: what the encoder made, before quantisation.
        codes: a quarter of the height and width.
        commitment: mean squared distance of features and codes.
    """

    images: Float[Tensor, "B C H W"]
    features: Float[Tensor, "B D h w"]
    codes: Int64[Tensor, "B h w"]
    commitment: Float[Tensor, ""]


class VQAutoencoder(Pretrained):
    """Image → grid of codes at a quarter of the size → image."""

    config_class = VQAutoencoderConfig
    config: VQAutoencoderConfig

    def __init__(self, config: VQAutoencoderConfig = VQAutoencoderConfig()) -> None:
        super().__init__(config)
        n_channels, (half, quarter) = config.image_shape[0], config.channels
        self.encoder = nn.Sequential(
            nn.Conv2d(n_channels, half, 4, stride=2, padding=1),
            *_normalised(half),
            nn.Conv2d(half, quarter, 4, stride=2, padding=1),
            *_normalised(quarter),
            nn.Conv2d(quarter, config.code_dim, 3, padding=1),
        )
        self.quantiser = VectorQuantiser(config.n_codes, config.code_dim)
        self.decoder = nn.Sequential(
            nn.Conv2d(config.code_dim, quarter, 3, padding=1),
            *_normalised(quarter),
            nn.Conv2d(quarter, 4 * half, 3, padding=1),
            nn.PixelShuffle(2),
            *_normalised(half),
            nn.Conv2d(half, 4 * n_channels, 3, padding=1),
            nn.PixelShuffle(2),
            nn.Tanh(),
        )
        self.to(memory_format=torch.channels_last)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image: (C, H, W)."""
        return self.config.image_shape

    @property
    def code_shape(self) -> tuple[int, int]:
        """Rows and columns of one image's codes."""
        return self.image_shape[1] // 4, self.image_shape[2] // 4

    def forward(self, x: Float[Tensor, "B C H W"]) -> Reconstruction:
        """Encode images and decode them from their codes."""
        check_images(x, self.image_shape)
        features = self.encoder(x)
        quantised = self.quantiser(features)
        images = self.decoder(quantised.vectors)
        return Reconstruction(images, features, quantised.codes, quantised.commitment)

    @torch.no_grad()
    def encode(self, images: Samples, *, batch_size: int = 1000) -> Int64[Tensor, "B h w"]:
        """Codes of images in [-1, 1], which may be on any device; on the model's device.

        Raises:
            TypeError: if they are no tensor, NumPy array, list or data set of images.
            ValueError: if the images have another shape, are not finite or lie in another range, or
                ``batch_size`` is below 1.
        """
        x = as_images(images)
        check_images(x, self.image_shape)
        parts, weights = x.split(as_count(batch_size, "batch_size")), next(self.parameters())
        with evaluation_mode(self):
            codes = [self.quantiser.nearest(self.encoder(part.to(weights))) for part in parts]
        return torch.cat(codes)

    @torch.no_grad()
    def decode(
        self, codes: Int64[Tensor, "B h w"] | IntegersLike, *, batch_size: int = 1000
    ) -> Float[Tensor, "B C H W"]:
        """Images of codes, which may be on any device; on the model's device.

        Raises:
            ValueError: if a code is no whole number or not in the codebook, if they are no grid of
                the right size, or ``batch_size`` is below 1.
        """
        numbers, n_codes = as_int64(codes, "codes"), self.config.n_codes
        rows, columns = self.code_shape
        if tuple(numbers.shape[1:]) != (rows, columns):
            raise ValueError(
                f"expected codes of shape (B, {rows}, {columns}), got {tuple(numbers.shape)}"
            )
        if len(numbers):
            lowest, highest = (int(extreme) for extreme in numbers.aminmax())
            if not 0 <= lowest <= highest < n_codes:
                raise ValueError(f"codes must lie in 0 … {n_codes - 1}, got {lowest} to {highest}")
        parts = numbers.to(self.device).split(as_count(batch_size, "batch_size"))
        with evaluation_mode(self):
            return torch.cat([self.decoder(self.quantiser.lookup(part)) for part in parts])


def _normalised(channels: int) -> tuple[nn.Module, nn.Module]:
    """Normalise each image's features by themselves, in groups of eight or more, then ReLU.

    Without, the first codes, which are small, leave the decoder blind, and it learns to paint the
    background. Batch normalisation would make an image's codes depend on its batch.
    """
    n_groups = next(n for n in range(max(1, channels // 8), 0, -1) if channels % n == 0)
    return nn.GroupNorm(n_groups, channels), nn.ReLU(inplace=True)


@dataclass(frozen=True)
class VQGANTrainingConfig(Config):
    """How a :class:`VQAutoencoder` is trained.

    Attributes:
        n_images: budget, in images.
        batch_size: B, images a step.
        learning_rate: Adam's step size for encoder and decoder, at the top of the schedule.
        learning_rate_discriminator: the same for the discriminator.
        betas: Adam's two decay rates.
        commitment_weight: of the distance between features and codes.
        adversarial_weight: of the generator's loss, beside the mean squared error; 0 leaves an
            autoencoder, and the discriminator untrained.
        r1_gamma: weight of the R1 penalty, which enters the loss as gamma / 2 times its value.
        penalty_every: compute it in every so many steps, scaled up by the same number.
        warmup_images: over how many images the learning rates rise from 0.
        flat_until: share of the budget at which they start to fall linearly.
        final_learning_rate: factor that they reach at the end.
    """

    n_images: int = 40_000
    batch_size: int = 32
    learning_rate: float = 2e-3
    learning_rate_discriminator: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.99)
    commitment_weight: float = 0.25
    adversarial_weight: float = 0.03
    r1_gamma: float = 0.3
    penalty_every: int = 16
    warmup_images: int = 1_600
    flat_until: float = 0.5
    final_learning_rate: float = 0.02

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("n_images", "batch_size", "penalty_every", at_least=1)
        self.require("learning_rate", "learning_rate_discriminator", above=0)
        self.require("betas", at_least=0, below=1)
        self.require("commitment_weight", "adversarial_weight", "r1_gamma", at_least=0)
        self.require("warmup_images", at_least=0)
        self.require("flat_until", "final_learning_rate", at_least=0, at_most=1)


class VQGANTrainer:
    """Autoencoder, discriminator, their optimizers, and one update of each.

    The state is complete: saved and restored, training goes on with the same bits.
    """

    def __init__(
        self,
        autoencoder: VQAutoencoder,
        discriminator: Discriminator,
        *,
        loss: AdversarialLoss,
        config: VQGANTrainingConfig,
        rng: torch.Generator,
        engine: Engine,
    ) -> None:
        self.autoencoder = engine.prepare(autoencoder)
        self.discriminator = engine.prepare(discriminator)
        self.loss, self.config, self.rng, self.engine = loss, config, rng, engine
        rate, betas = config.learning_rate, config.betas
        self.optimizer_autoencoder = JointOptimizer(
            torch.optim.Adam(autoencoder.parameters(), rate, betas, fused=True)
        )
        rate = config.learning_rate_discriminator
        self.optimizer_discriminator = JointOptimizer(
            torch.optim.Adam(discriminator.parameters(), rate, betas, fused=True)
        )
        self._n_steps = 0

    def step(self, x_real: Float[Tensor, "B C H W"], progress: float) -> dict[str, Tensor]:
        """Update the discriminator, then the autoencoder, then the codebook.

        A reconstruction plays the part of the generated sample, and the real one beside it in a
        relativistic loss is the image that it was made from.
        """
        self._set_learning_rates(progress)
        with self.engine.autocast():  # refuses to train within a caller's
            out = self.autoencoder(x_real)
        scalars: dict[str, Tensor] = {}
        adversarial = x_real.new_zeros(())
        if self.config.adversarial_weight:
            scalars["loss_discriminator"] = self._update_discriminator(x_real, out.images.detach())
            adversarial = self._adversarial_loss(x_real, out.images)
        reconstruction = (out.images - x_real).square().mean()
        loss = (
            reconstruction
            + self.config.commitment_weight * out.commitment
            + self.config.adversarial_weight * adversarial
        )
        self.engine.minimise(loss, self.optimizer_autoencoder)
        self.autoencoder.quantiser.update(out.features.detach(), out.codes, rng=self.rng)
        self._n_steps += 1
        return scalars | {
            "reconstruction": reconstruction.detach(),
            "commitment": out.commitment.detach(),
            "loss_generator": adversarial.detach(),
        }

    def _update_discriminator(self, x_real: Tensor, x_fake: Tensor) -> Tensor:
        logits_real, logits_fake = self.discriminator(torch.cat([x_real, x_fake])).chunk(2)
        loss = checked_loss(self.loss.discriminator(logits_real, logits_fake), "discriminator")
        penalty = x_real.new_zeros(())
        if self.config.r1_gamma and self._n_steps % self.config.penalty_every == 0:
            weight = 0.5 * self.config.r1_gamma * self.config.penalty_every
            penalty = weight * r1_penalty(self.discriminator, x_real)
        self.engine.minimise(loss + penalty, self.optimizer_discriminator)
        return loss.detach()

    def _adversarial_loss(self, x_real: Tensor, x_fake: Tensor) -> Tensor:
        # Frozen, the discriminator passes gradients on to the images and computes none of its own.
        with frozen(self.discriminator):
            logits_fake = self.discriminator(x_fake)
        if not self.loss.relativistic:
            return checked_loss(self.loss.generator(logits_fake), "generator")
        with torch.no_grad():
            logits_real = self.discriminator(x_real)
        return checked_loss(self.loss.generator(logits_real, logits_fake), "generator")

    def _set_learning_rates(self, progress: float) -> None:
        config = self.config
        factor = warmup_flat_decay(
            progress,
            warmup=min(config.flat_until, config.warmup_images / config.n_images),
            flat_until=config.flat_until,
            final=config.final_learning_rate,
        )
        self.optimizer_autoencoder.scale_learning_rates(factor)
        self.optimizer_discriminator.scale_learning_rates(factor)

    def settings(self) -> dict[str, Any]:
        """What tells this training from another one, besides seed and data."""
        quantiser = self.autoencoder.quantiser
        return {
            **settings_of_loss(self.loss),
            **settings_of("config", self.config),
            **settings_of_model("autoencoder", self.autoencoder),
            "quantiser's decay": quantiser.decay,
            "quantiser's dead_below": quantiser.dead_below,
            **settings_of_model("discriminator", self.discriminator),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        own = {
            "rng": self.rng.get_state(),
            "n_steps": self._n_steps,
            "settings": self.settings(),
        }
        return parts | own

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Raises:
            ValueError: if the state was trained with another loss or configuration.
        """
        check_settings(state["settings"], self.settings(), what="the state of this training")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.rng.set_state(state["rng"])
        self._n_steps = state["n_steps"]

    def _parts(self) -> dict[str, Any]:
        return {
            "autoencoder": self.autoencoder,
            "discriminator": self.discriminator,
            "optimizer_autoencoder": self.optimizer_autoencoder,
            "optimizer_discriminator": self.optimizer_discriminator,
        }


@dataclass(frozen=True)
class VQGANTrainingResult:
    """What training leaves behind.

    Attributes:
        autoencoder: in evaluation mode.
        discriminator: its opponent.
        history: recorded rows with the columns n_images, reconstruction, commitment,
            loss_generator and, unless ``adversarial_weight`` is 0, loss_discriminator.
        n_images: images seen.
        seconds: wall-clock time of the training steps.
    """

    autoencoder: VQAutoencoder
    discriminator: Discriminator
    history: History
    n_images: int
    seconds: float


@gradients_on()
def train_vqgan(
    autoencoder: VQAutoencoder,
    discriminator: Discriminator,
    rows: Samples,
    *,
    loss: AdversarialLoss = RELATIVISTIC,
    config: VQGANTrainingConfig = VQGANTrainingConfig(),
    seed: int = 0,
    checkpoint_folder: str | Path | None = None,
    checkpoint_every: int | None = None,
    progress_bar: bool = True,
    engine: Engine | None = None,
) -> VQGANTrainingResult:
    """Train ``autoencoder`` to reconstruct images, and to fool ``discriminator`` with them.

    Both are trained in place, and come back to where they were. They were initialised by the
    caller, from torch's global seed; everything random in the training itself follows from
    ``seed``. To continue from a checkpoint, build them anew in the same way.

    Args:
        autoencoder: maps images to codes and back.
        discriminator: maps images to logits.
        rows: all images, in [-1, 1].
        loss: the game that is played.
        config: how it is trained.
        seed: of the order of the data and of what dead codes are moved onto.
        checkpoint_folder: where to save and, if there is a checkpoint, to continue from.
        checkpoint_every: save each time so many images have been seen; at the end in any case.
        progress_bar: show one.
        engine: the device, by default the GPU where there is one; of one process, in full
            precision.

    Raises:
        ValueError: if the data do not fit the networks or hold NaN or infinity, if the
            discriminator is told classes, if a checkpoint does not fit the run, or if the engine
            has several processes, whose codebooks would part, or another precision.
        TypeError: if networks, loss, config or engine are something else.
        RuntimeError: within a caller's ``torch.autocast``.
    """
    check_network(autoencoder, VQAutoencoder, "autoencoder")
    check_network(discriminator, Discriminator, "discriminator")
    as_instance(loss, AdversarialLoss, "loss", "gan.losses.HINGE is one, say")
    as_instance(
        config, VQGANTrainingConfig, "config", "write VQGANTrainingConfig(n_images=6_000), say"
    )
    if discriminator.n_classes is not None:
        raise ValueError(
            "an autoencoder is not asked for a class, so its discriminator can be told none: give "
            f"one whose n_classes is None, got {discriminator.n_classes}"
        )
    rows = training_rows(rows, autoencoder, discriminator)
    engine, seed = as_engine(engine), as_count(seed, "seed", at_least=0)
    if engine.n_processes > 1 or engine.mixed_precision != "no":
        raise ValueError(
            "a VQGAN is trained by one process in full precision, got an engine of "
            f"{engine.n_processes} in {engine.mixed_precision!r}"
        )
    with devices_restored(autoencoder, discriminator):
        seeds = torch.Generator().manual_seed(seed)
        drawn = torch.randint(2**62, (2,), generator=seeds, device=seeds.device)
        data_seed, code_seed = drawn.tolist()
        trainer = VQGANTrainer(
            autoencoder,
            discriminator,
            loss=loss,
            config=config,
            rng=torch.Generator().manual_seed(code_seed),
            engine=engine,
        )
        settings = None
        if checkpoint_folder is not None:
            settings = trainer.settings() | {
                **settings_of_weights("autoencoder", autoencoder),
                **settings_of_weights("discriminator", discriminator),
            }
        batches = ShuffledBatches(
            rows.to(engine.device),
            config.batch_size,
            rng=torch.Generator().manual_seed(data_seed),
        )
        result = run(
            trainer,
            batches,
            budget=config.n_images,
            checkpoint_folder=checkpoint_folder,
            checkpoint_every=checkpoint_every,
            settings=settings,
            progress_bar=progress_bar and engine.is_main,
            seed=seed,
            engine=engine,
        )
    return VQGANTrainingResult(
        autoencoder=autoencoder.eval(),
        discriminator=discriminator.eval(),
        history=result.history,
        n_images=result.n_seen,
        seconds=result.seconds,
    )
