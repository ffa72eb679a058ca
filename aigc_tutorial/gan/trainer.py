"""Training a GAN: two updates that take turns, and the run around them."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from aigc_tutorial.config import Config, as_instance
from aigc_tutorial.data import ShuffledBatches
from aigc_tutorial.data.batches.rows import ShuffledTuples
from aigc_tutorial.data.checks import Samples
from aigc_tutorial.gan.base import (
    Discriminator,
    Generator,
    check_copies,
    check_generated,
    check_network,
    training_labels,
    training_rows,
)
from aigc_tutorial.gan.losses import RELATIVISTIC, AdversarialLoss, checked_loss
from aigc_tutorial.gan.penalties import gradient_penalty, r1_penalty, r2_penalty
from aigc_tutorial.integers import IntegersLike, as_count
from aigc_tutorial.nn import (
    EMA,
    devices_restored,
    evaluation_mode,
    frozen,
    full_precision,
    gradients_on,
)
from aigc_tutorial.optim import (
    JointOptimizer,
    layer_weights,
    spectral_descent,
    warmup_flat_decay,
)
from aigc_tutorial.training import Engine, History, Tracker, run
from aigc_tutorial.training.attributes import numbers_of, set_numbers
from aigc_tutorial.training.checkpoint import (
    check_settings,
    name_of,
    settings_of,
    settings_of_model,
    settings_of_weights,
)
from aigc_tutorial.training.engine import DefaultRandomness, as_engine
from aigc_tutorial.training.validation import Validation, held_out_loss, places_of_validation


@dataclass(frozen=True)
class GANTrainingConfig(Config):
    """How a GAN is trained; the defaults are the MNIST recipe.

    Everything that grows with time is counted in images, so that it means the same at any batch
    size.

    Attributes:
        n_images: budget, in real images shown to the discriminator.
        batch_size: B, real images a step, and as many generated ones.
        learning_rate_generator: Adam's step size at the top of the schedule.
        learning_rate_discriminator: the same for the discriminator.
        learning_rate_kernels: step size of the discriminator's convolution kernels, which
            :func:`aigc_tutorial.optim.spectral_descent` moves; 0 leaves them to Adam.
        betas: Adam's two decay rates.
        warmup_images: over how many images the learning rates rise from 0.
        flat_until: share of the budget at which they start to fall linearly.
        final_learning_rate: factor that they reach at the end.
        n_discriminator_updates: updates of the discriminator, each on a batch of its own, for one
            of the generator.
        r1_gamma: weight of the R1 penalty, which enters the loss as gamma / 2 times its value.
        r2_gamma: the same for R2.
        penalty_every: compute R1 and R2 in every so many steps, scaled up by the same number (lazy
            regularisation, Karras et al., 2020, arXiv 1912.04958).
        gradient_penalty: weight of the WGAN-GP penalty, at every update.
        ema_half_life_images: half-life of the averaged generator, in images.
        ema_ramp_up: see :class:`aigc_tutorial.nn.EMA`.
        ema_every: move the average in every so many steps, by the images of all of them. The
            half-life stays what it is; with large networks and small batches it saves time.
    """

    n_images: int = 60_000
    batch_size: int = 32
    learning_rate_generator: float = 5e-3
    learning_rate_discriminator: float = 2e-3
    learning_rate_kernels: float = 0.01
    betas: tuple[float, float] = (0.0, 0.99)
    warmup_images: int = 1_600
    flat_until: float = 0.5
    final_learning_rate: float = 0.02
    n_discriminator_updates: int = 1
    r1_gamma: float = 0.3
    r2_gamma: float = 0.0
    penalty_every: int = 16
    gradient_penalty: float = 0.0
    ema_half_life_images: float = 30_000
    ema_ramp_up: float = 0.09
    ema_every: int = 1

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        intervals = ("penalty_every", "ema_every")
        self.require("n_images", "batch_size", "n_discriminator_updates", *intervals, at_least=1)
        # A rate of 0 lets one player stand still while the other is watched.
        self.require("learning_rate_generator", "learning_rate_discriminator", at_least=0)
        self.require("learning_rate_kernels", "warmup_images", at_least=0)
        self.require("betas", at_least=0, below=1)
        self.require("flat_until", "final_learning_rate", at_least=0, at_most=1)
        self.require("r1_gamma", "r2_gamma", "gradient_penalty", at_least=0)
        self.require("ema_half_life_images", "ema_ramp_up", above=0)


class GANTrainer:
    """Both networks, their optimizers, and the two updates.

    The state is complete: saved and restored, training goes on with the same bits.

    Args:
        generator: maps latents to data.
        discriminator: maps data to logits.
        loss: the game that is played.
        config: how it is played.
        rng: draws latents and the penalties' random numbers.
        engine: device and precision.
        labels: class of each real sample of the data, for networks with classes, and only for such.
            They tell :meth:`averaged_generator` how frequent the classes are.
        validation: measures the averaged generator against real samples that are held out.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        *,
        loss: AdversarialLoss,
        config: GANTrainingConfig,
        rng: torch.Generator,
        engine: Engine,
        labels: Int64[Tensor, " N"] | None = None,
        validation: Validation | None = None,
    ) -> None:
        check_copies(generator, discriminator)
        n_labels = 0 if labels is None else len(labels)
        self.labels = training_labels(labels, n_labels, generator, discriminator)
        self.generator = engine.prepare(generator)
        self.discriminator = engine.prepare(discriminator)
        self.loss, self.config, self.rng, self.engine = loss, config, rng, engine
        self.optimizer_generator, self.optimizer_discriminator = make_optimizers(
            generator, discriminator, config
        )
        self.ema = EMA(
            generator,
            half_life=config.ema_half_life_images,
            ramp_up=config.ema_ramp_up,
        )
        self.snapshots: dict[int, Tensor] = {}
        self.validation, self.validation_history = validation, History()
        self._n_steps = 0
        self._n_not_averaged = 0  # images since the average last moved

    def step(
        self,
        batch: Float[Tensor, "B ..."] | Sequence[Tensor],
        progress: float,
    ) -> dict[str, Tensor]:
        """Update the discriminator once or more, then the generator once.

        The batch is of real samples, in a tuple or a list with their labels if the networks have
        classes. Generated samples are asked for in the classes of the real ones, so that a
        relativistic loss compares a digit with another one of its class.

        One batch of generated samples serves both: the discriminator sees it cut off from the
        generator (``detach``), and its graph is kept for the generator's turn. The logits of the
        real images serve both as well: a relativistic generator compares with those that the
        discriminator gave in its own turn.
        """
        self._set_learning_rates(progress)
        x_real, labels = (batch, None) if isinstance(batch, Tensor) else batch
        for x_part, c in _parts(x_real, labels, self.config.n_discriminator_updates):
            z = self.generator.sample_latent(len(x_part), rng=self.rng)
            with self.engine.autocast():
                x_fake = full_precision(told(self.generator, c)(z))
            check_generated(x_fake, x_part)
            scalars, logits_real = self._update_discriminator(x_part, x_fake.detach(), c)
        scalars |= self._update_generator(logits_real, x_fake, c)
        self._n_steps += 1
        self._n_not_averaged += len(x_real) * self.engine.n_processes
        if self._n_steps % self.config.ema_every == 0:
            self.ema.update(self.generator, self._n_not_averaged)
            self._n_not_averaged = 0
        return scalars

    def _update_discriminator(
        self, x_real: Tensor, x_fake: Tensor, labels: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        with self.engine.autocast():
            # Real and generated samples in one pass: one large product instead of two small ones.
            both = torch.cat([x_real, x_fake])
            labels_of_both = None if labels is None else labels.repeat(2)
            logits = full_precision(told(self.discriminator, labels_of_both)(both))
        logits_real, logits_fake = logits.chunk(2)
        loss = checked_loss(self.loss.discriminator(logits_real, logits_fake), "discriminator")
        penalty = self._penalty(x_real, x_fake, labels)
        self.engine.minimise(loss + penalty, self.optimizer_discriminator)
        scalars = {
            "loss_discriminator": loss.detach(),
            "probability_real": logits_real.detach().sigmoid().mean(),
            "probability_fake": logits_fake.detach().sigmoid().mean(),
        }
        return scalars, logits_real.detach()

    def _update_generator(
        self, logits_real: Tensor, x_fake: Tensor, labels: Tensor | None = None
    ) -> dict[str, Tensor]:
        # Frozen, the discriminator passes gradients on to the samples and computes none of its own.
        with frozen(self.discriminator):
            with self.engine.autocast():
                logits_fake = full_precision(told(self.discriminator, labels)(x_fake))
            logits = (logits_real, logits_fake) if self.loss.relativistic else (logits_fake,)
            loss = checked_loss(self.loss.generator(*logits), "generator")
            self.engine.minimise(loss, self.optimizer_generator)
        return {"loss_generator": loss.detach()}

    def _penalty(self, x_real: Tensor, x_fake: Tensor, labels: Tensor | None = None) -> Tensor:
        config, penalty = self.config, x_real.new_zeros(())
        discriminator = told(self.discriminator, labels)
        if self._n_steps % config.penalty_every == 0:
            if config.r1_gamma:
                weight = 0.5 * config.r1_gamma * config.penalty_every
                penalty = penalty + weight * r1_penalty(discriminator, x_real)
            if config.r2_gamma:
                weight = 0.5 * config.r2_gamma * config.penalty_every
                penalty = penalty + weight * r2_penalty(discriminator, x_fake)
        if config.gradient_penalty:
            value = gradient_penalty(discriminator, x_real, x_fake, rng=self.rng)
            penalty = penalty + config.gradient_penalty * value
        return penalty

    def _set_learning_rates(self, progress: float) -> None:
        config = self.config
        factor = warmup_flat_decay(
            progress,
            warmup=min(config.flat_until, config.warmup_images / config.n_images),
            flat_until=config.flat_until,
            final=config.final_learning_rate,
        )
        self.optimizer_generator.scale_learning_rates(factor)
        self.optimizer_discriminator.scale_learning_rates(factor)

    def averaged_generator(self, n_latents: int = 5_000) -> Generator:
        """Return a copy of the averaged generator that is ready to sample.

        The steps that ``ema_every`` has not let in yet are part of the average here.

        Batch normalisation needs statistics of the averaged network, which differ from those that
        either network met in training: they are measured anew on ``n_latents`` latents, in classes
        as frequent as in the data. A layer
        that is in evaluation mode in the trained generator keeps the statistics that it has.
        """
        ema = self.ema
        if self._n_not_averaged:
            ema = copy.deepcopy(ema)
            ema.update(self.generator, self._n_not_averaged)
        generator = copy.deepcopy(ema.model)
        for averaged, trained in zip(
            generator.parameters(), self.generator.parameters(), strict=True
        ):
            averaged.requires_grad_(trained.requires_grad)
        for averaging, training in zip(generator.modules(), self.generator.modules(), strict=True):
            averaging.training = training.training
        set_numbers(generator, numbers_of(self.generator))
        _measure_batch_norms(generator, n_latents, self.labels)
        return generator.eval()

    def take_snapshot(self, n_images: int, n_samples: int = 64) -> None:
        """Keep samples of the averaged generator, from the same latents each time.

        Of a generator with classes they are of all classes in turn.
        """
        latents = torch.Generator().manual_seed(1)
        generator, n_classes = self.averaged_generator(n_latents=1_000), self.generator.n_classes
        labels = None if n_classes is None else torch.arange(n_samples, device="cpu") % n_classes
        self.snapshots[n_images] = generator.sample(n_samples, labels, rng=latents).cpu()

    def validate(self, n_images: int) -> None:
        """Measure the averaged generator, if there is a validation, and keep the number."""
        if self.validation is None:
            return
        when = f"after {n_images:,} images"
        loss = held_out_loss(self.validation, self.averaged_generator(), when)
        self.validation_history.append({"n_images": n_images, "loss": loss})

    def settings(self) -> dict[str, Any]:
        """What tells this training from another one, besides seed and data."""
        validation = self.validation
        return {
            **({} if validation is None else {"validation": name_of(validation)}),
            **settings_of_loss(self.loss),
            "precision": self.engine.mixed_precision,
            **settings_of("config", self.config),
            **settings_of_model("generator", self.generator),
            **settings_of_model("discriminator", self.discriminator),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on.

        The tensors are those that are trained, as of any module: copy.deepcopy keeps the state.
        """
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        own = {
            "rng": self.rng.get_state(),
            "n_steps": self._n_steps,
            "n_not_averaged": self._n_not_averaged,
            "snapshots": self.snapshots,
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
        self._n_not_averaged = state["n_not_averaged"]
        self.snapshots = dict(state["snapshots"])

    def _parts(self) -> dict[str, Any]:
        history = {"validation_history": self.validation_history}
        return ({} if self.validation is None else history) | {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "optimizer_generator": self.optimizer_generator,
            "optimizer_discriminator": self.optimizer_discriminator,
            "ema": self.ema,
        }


def settings_of_loss(loss: AdversarialLoss) -> dict[str, str]:
    """What tells a loss from another one, of its name too."""
    return {
        "loss": loss.name,
        "loss of the generator": name_of(loss.generator),
        "loss of the discriminator": name_of(loss.discriminator),
    }


def told(network: nn.Module, labels: Tensor | None) -> Callable[[Tensor], Tensor]:
    """A network as a function of its first argument alone: told the labels, if there are any."""
    return network if labels is None else partial(network, labels=labels)


def _parts(x: Tensor, labels: Tensor | None, n: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Up to ``n`` parts of equal size, each with its labels if there are any."""
    parts = x.chunk(n)
    return zip(parts, [None] * len(parts) if labels is None else labels.chunk(n), strict=True)


@torch.no_grad()
def _measure_batch_norms(generator: Generator, n_latents: int, labels: Tensor | None) -> None:
    """Give the batch norms that are in training mode the statistics of what they meet now.

    Of the labels, which are those of all data, as many are drawn as there are latents. All else is
    in evaluation mode meanwhile, as where the generator will be used. What it draws without a
    generator of its own moves nobody's random numbers.
    """
    norms = [m for m in generator.modules() if isinstance(m, _BatchNorm) and m.training]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    rng = torch.Generator().manual_seed(0)
    latents = generator.sample_latent(n_latents, rng=rng)
    if labels is not None:
        drawn = torch.randint(len(labels), (n_latents,), generator=rng, device=rng.device)
        labels = labels[drawn.to(labels.device)].to(latents.device)
    with evaluation_mode(generator), DefaultRandomness(generator.device).seeded(0):
        for norm in norms:
            norm.train()
            norm.reset_running_stats()
            norm.momentum = None  # the mean of all batches
        # Of equal size: none is a single latent.
        for part, c in _parts(latents, labels, -(-n_latents // 500)):
            told(generator, c)(part)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def make_optimizers(
    generator: nn.Module, discriminator: nn.Module, config: GANTrainingConfig
) -> tuple[JointOptimizer, JointOptimizer]:
    """Adam for each network; the discriminator's convolution kernels go by spectral descent.

    Raises:
        ValueError: if a network has no weights.
    """
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        if next(network.parameters(), None) is None:
            raise ValueError(f"the {name} has no weights that could be trained")
    kernels = layer_weights(discriminator, nn.Conv2d) if config.learning_rate_kernels else []
    moved = {id(kernel) for kernel in kernels}
    others = [p for p in discriminator.parameters() if id(p) not in moved]
    of_generator = torch.optim.Adam(
        generator.parameters(), config.learning_rate_generator, config.betas, fused=True
    )
    of_discriminator: list[torch.optim.Optimizer] = []
    if others:
        of_discriminator.append(
            torch.optim.Adam(others, config.learning_rate_discriminator, config.betas, fused=True)
        )
    if kernels:
        of_discriminator.append(spectral_descent(kernels, config.learning_rate_kernels))
    return JointOptimizer(of_generator), JointOptimizer(*of_discriminator)


def _snapshot_times(snapshots_at: Any) -> list[int]:
    if not isinstance(snapshots_at, Iterable):
        raise TypeError(
            "snapshots_at must be a list of numbers of images, such as [0, 30_000], got "
            f"{snapshots_at!r}"
        )
    return sorted({as_count(n, "a number of snapshots_at", at_least=0) for n in snapshots_at})


def _calls(
    places: Mapping[Callable[[int], None], Iterable[int]],
) -> dict[int, Callable[[int], None]]:
    """What to call after which number of images, several functions in turn.

    A step may pass several of these numbers: each function is called once after it.
    """
    called: set[tuple[Callable[[int], None], int]] = set()

    def call(functions: Sequence[Callable[[int], None]], n_images: int) -> None:
        for function in functions:
            if (function, n_images) not in called:
                function(n_images)
                called.add((function, n_images))

    return {
        n: partial(call, [function for function, when in places.items() if n in when])
        for n in {n for when in places.values() for n in when}
    }


@dataclass(frozen=True)
class GANTrainingResult:
    """What training leaves behind.

    Attributes:
        generator: the averaged generator, in evaluation mode: the one to use.
        raw_generator: the generator as the last step left it.
        discriminator: its opponent.
        history: recorded rows with the columns n_images, loss_discriminator,
            loss_generator, probability_real (mean D(x)) and probability_fake (mean D(G(z))).
        snapshots: samples by the number of images seen, from the same latents.
        validation: rows with the columns n_images and loss; empty without a validation.
        n_images: real images seen.
        seconds: wall-clock time of the training steps.
    """

    generator: Generator
    raw_generator: Generator
    discriminator: Discriminator
    history: History
    snapshots: dict[int, Float[Tensor, "S ..."]]
    validation: History
    n_images: int
    seconds: float


@gradients_on()
def train(
    generator: Generator,
    discriminator: Discriminator,
    rows: Samples,
    labels: IntegersLike | None = None,
    *,
    loss: AdversarialLoss = RELATIVISTIC,
    config: GANTrainingConfig = GANTrainingConfig(),
    seed: int = 0,
    snapshots_at: Iterable[int] = (),
    validation: Validation | None = None,
    validate_every: int | None = None,
    tracker: Tracker | None = None,
    checkpoint_folder: str | Path | None = None,
    checkpoint_every: int | None = None,
    progress_bar: bool = True,
    engine: Engine | None = None,
) -> GANTrainingResult:
    """Train ``generator`` against ``discriminator`` on real data.

    Both networks are trained in place, on the engine's device, and come back to where they were,
    after an error or an interruption too: what is built on the CPU can go on with data on the CPU,
    whatever it was trained on.

    They were initialised by the caller, from torch's global seed; everything random in the training
    itself follows from ``seed``. To continue from a checkpoint, build them anew in the same way.

    Args:
        generator: maps latents to data.
        discriminator: maps data to logits.
        rows: all real data, one sample a row; images in [-1, 1].
        labels: class of each, for networks with classes, and only for such.
        loss: the game that is played.
        config: how it is played.
        seed: of the order of the data, the latents and the penalties.
        snapshots_at: numbers of images after which samples are kept.
        validation: measures the averaged generator against real samples that neither network
            learns from, for example by :func:`aigc_tutorial.gan.digit_distance`; lower is better.
            It chooses nothing.
        validate_every: measure each time so many images have been seen; at the end in any case.
        tracker: receives every recorded row.
        checkpoint_folder: where to save and, if there is a checkpoint, to continue from.
        checkpoint_every: save each time so many images have been seen; at the end in any case.
        progress_bar: show one.
        engine: device and precision; by default the GPU where there is one.

    Raises:
        ValueError: if the data do not fit the networks or hold NaN or infinity, if labels are
            missing, superfluous, not one a sample, or no classes, or if a checkpoint does not fit
            the run: its budget is another, say, on which the learning rates depended.
        TypeError: if networks, loss, config, tracker, engine, validation or snapshots_at are
            something else.
        FloatingPointError: if a loss, a weight or a validation is not finite.
    """
    check_network(generator, Generator, "generator")
    check_network(discriminator, Discriminator, "discriminator")
    as_instance(loss, AdversarialLoss, "loss", "gan.losses.HINGE is one, say")
    as_instance(
        config, GANTrainingConfig, "config", "write GANTrainingConfig(n_images=60_000), say"
    )
    rows = training_rows(rows, generator, discriminator)
    classes = training_labels(labels, len(rows), generator, discriminator)
    data = (rows,) if classes is None else (rows, classes.to(rows.device))
    engine, seed = as_engine(engine), as_count(seed, "seed", at_least=0)
    when = _snapshot_times(snapshots_at)
    places = places_of_validation(validation, validate_every, config.n_images)
    if when and not 0 <= when[0] <= when[-1] <= config.n_images:
        raise ValueError(
            f"snapshots_at names {when[0]:,} to {when[-1]:,} images; expected 0 to "
            f"{config.n_images:,}, the budget"
        )
    with devices_restored(generator, discriminator):
        # Each process of a distributed run draws data and latents of its own.
        seeds = torch.Generator().manual_seed(seed + 1_000_003 * engine.rank)
        drawn = torch.randint(2**62, (2,), generator=seeds, device=seeds.device)
        data_seed, latent_seed = drawn.tolist()
        trainer = GANTrainer(
            generator,
            discriminator,
            loss=loss,
            config=config,
            rng=torch.Generator().manual_seed(latent_seed),
            engine=engine,
            labels=classes,
            validation=validation,
        )
        settings = None
        if checkpoint_folder is not None:
            settings = trainer.settings() | {
                "snapshots_at": when,
                **({"validate_every": places[0]} if places else {}),
                **settings_of_weights("generator", generator),
                **settings_of_weights("discriminator", discriminator),
            }
        batch_size = config.batch_size * config.n_discriminator_updates
        if batch_size > len(rows):
            raise ValueError(
                f"a step takes batch_size times n_discriminator_updates samples, {batch_size}, and "
                f"there are {len(rows)}; give more, or lower one of these numbers"
            )
        order = torch.Generator().manual_seed(data_seed)
        batches = (
            ShuffledTuples(tuple(part.to(engine.device) for part in data), batch_size, rng=order)
            if len(data) == 2
            else ShuffledBatches(rows.to(engine.device), batch_size, rng=order)
        )
        result = run(
            trainer,
            batches,
            budget=config.n_images,
            count=lambda _: batch_size * engine.n_processes,
            at=_calls({trainer.take_snapshot: when, trainer.validate: places}),
            tracker=tracker,
            checkpoint_folder=checkpoint_folder,
            checkpoint_every=checkpoint_every,
            settings=settings,
            progress_bar=progress_bar and engine.is_main,
            seed=seed,
            engine=engine,
        )
        averaged = trainer.averaged_generator()
    return GANTrainingResult(
        generator=averaged.to(generator.device),
        raw_generator=generator.eval(),
        discriminator=discriminator.eval(),
        history=result.history,
        snapshots=trainer.snapshots,
        validation=trainer.validation_history,
        n_images=result.n_seen,
        seconds=result.seconds,
    )
