"""Training an autoregressive model: one update, and the run around it."""

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.checks import (
    as_training_data,
    check_losses,
    check_predictions,
    check_trainable,
)
from aigc_tutorial.ar.models.pixelcnn import PixelCNN
from aigc_tutorial.config import Config, as_instance
from aigc_tutorial.data.batches.rows import ShuffledBatches, ShuffledTuples
from aigc_tutorial.data.batches.tokens import TokenWindows
from aigc_tutorial.data.checks import check_rows
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn import (
    EMA,
    devices_restored,
    evaluation_mode,
    full_precision,
    gradients_on,
)
from aigc_tutorial.optim import JointOptimizer, Muon, split_parameters, warmup_flat_decay
from aigc_tutorial.training import Engine, History, Tracker, run
from aigc_tutorial.training.attributes import numbers_of, set_numbers
from aigc_tutorial.training.checkpoint import (
    check_settings,
    name_of,
    settings_of,
    settings_of_model,
    settings_of_weights,
)
from aigc_tutorial.training.engine import as_engine
from aigc_tutorial.training.loop import Batch, Batches
from aigc_tutorial.training.validation import Validation, held_out_loss, places_of_validation

ModelT = TypeVar("ModelT", bound=AutoregressiveModel | PixelCNN)


_WINDOW = 64
"""Tokens of a window for a model that takes any number."""


@dataclass(frozen=True)
class ARTrainingConfig(Config):
    """How an autoregressive model is trained; the defaults are the Shakespeare recipe.

    Everything that grows with time is counted in tokens, so that it means the same at any batch
    size. A token is one that is predicted: padding and given tokens do not count. For images, read
    pixels.

    Attributes:
        n_tokens: budget, in predicted tokens.
        batch_size: B, sequences a step.
        context: length of the windows that a long text is cut into; other data have their own.
            None for as many tokens as the model takes, 64 where it takes any number. A model that
            learned from shorter windows is worse beyond them, much worse if its positions are
            learned. Longer windows make fewer updates of a budget: give a smaller ``batch_size``
            with them. A published GPT-2 takes 1,024, and the logits of 16 such windows alone are
            3 GB; it may be fine-tuned on shorter ones.
        optimizer: what moves the hidden matrices: "muon" (Jordan et al., 2024,
            kellerjordan.github.io/posts/muon) or "adamw". AdamW moves everything else.
        learning_rate_matrices: step size of the hidden matrices at the top of the schedule. Muon's
            is the size of an orthogonal update and far larger than AdamW's.
        learning_rate_others: AdamW's step size for embeddings, head and vectors.
        weight_decay: of the hidden matrices alone, times their learning rate.
        momentum: Muon's.
        newton_schulz_steps: iterations by which Muon makes its updates orthogonal.
        betas: AdamW's two decay rates.
        warmup_tokens: over how many tokens the learning rates rise from 0.
        flat_until: share of the budget at which they start to fall linearly.
        final_learning_rate: factor that they reach at the end.
        max_gradient_norm: longer gradients are scaled down to this length; None for no limit.
        ema_half_life: half-life of the averaged model, in tokens; None for no average.
    """

    n_tokens: int = 960_000
    batch_size: int = 16
    context: int | None = None
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate_matrices: float = 0.015
    learning_rate_others: float = 0.01
    weight_decay: float = 0.0
    momentum: float = 0.9
    newton_schulz_steps: int = 4
    betas: tuple[float, float] = (0.8, 0.95)
    warmup_tokens: int = 30_000
    flat_until: float = 0.4
    final_learning_rate: float = 0.03
    max_gradient_norm: float | None = None
    ema_half_life: float | None = None

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("n_tokens", "batch_size", "context", "newton_schulz_steps", at_least=1)
        self.require("learning_rate_matrices", "learning_rate_others", above=0)
        self.require("weight_decay", "warmup_tokens", at_least=0)
        self.require("momentum", "betas", at_least=0, below=1)
        self.require("flat_until", "final_learning_rate", at_least=0, at_most=1)
        self.require("max_gradient_norm", "ema_half_life", above=0)


class ARTrainer(Generic[ModelT]):
    """The model, its optimizer, and the update.

    The state is complete: saved and restored, training goes on with the same bits.

    Attributes:
        n_predicted: tokens that all processes predicted in the last step.
    """

    def __init__(
        self,
        model: ModelT,
        *,
        config: ARTrainingConfig,
        engine: Engine,
        validation: Validation | None = None,
    ) -> None:
        self.model: ModelT = engine.prepare(model)
        self.config, self.engine, self.validation = config, engine, validation
        self.optimizer = make_optimizer(model, config)
        self.ema = (
            None if config.ema_half_life is None else EMA(model, half_life=config.ema_half_life)
        )
        self.validation_history = History()
        self.best_weights: dict[str, Tensor] = {}
        self.n_predicted = 0

    def step(self, batch: Any, progress: float) -> dict[str, Tensor]:
        """Teacher forcing: score all tokens in one parallel pass and go down the mean.

        The mean is over real tokens, so that a batch with much padding weighs its tokens as others.

        Args:
            batch: what ``model.nll`` takes, alone, in a tuple or in a list; NumPy arrays too.
            progress: share of the budget spent so far.
        """
        config = self.config
        parts = self._parts_of(batch)
        self.optimizer.scale_learning_rates(
            warmup_flat_decay(
                progress,
                warmup=min(config.flat_until, config.warmup_tokens / config.n_tokens),
                flat_until=config.flat_until,
                final=config.final_learning_rate,
            )
        )
        self.n_predicted = self.engine.total(count_predictions(parts))
        check_predictions(self.n_predicted)
        with self.engine.autocast():
            nll = self.model.nll(*parts)
        check_losses(nll, parts[0], type(self.model).__name__)
        # The engine averages over processes, which may predict unequally many tokens: each divides
        # its sum by the mean number of them.
        loss = full_precision(nll).sum() * (self.engine.n_processes / self.n_predicted)
        self.engine.minimise(loss, self.optimizer)
        if self.ema is not None:
            self.ema.update(self.model, self.n_predicted)
        return {"loss": loss.detach()}

    def _parts_of(self, batch: Any) -> tuple[Tensor, ...]:
        """What a batch consists of, as tensors: a ``DataLoader`` yields lists of them."""
        is_list = isinstance(batch, list) and any(isinstance(x, Tensor | np.ndarray) for x in batch)
        parts = tuple(batch) if is_list or isinstance(batch, tuple) else (batch,)
        if all(isinstance(part, Tensor) for part in parts):
            return parts
        return check_rows(self.model, parts)

    def trained_model(self) -> ModelT:
        """Return a copy of the model to use, in evaluation mode: averaged, and at its best.

        With a validation these are the weights that did best in it, without one the last ones.
        """
        model = copy.deepcopy(self._averaged())
        if self.best_weights:
            model.load_state_dict(self.best_weights)
        for parameter, trained in zip(model.parameters(), self.model.parameters(), strict=True):
            parameter.requires_grad_(trained.requires_grad)
        model.eval()
        return model

    def _averaged(self) -> ModelT:
        if self.ema is None:
            return self.model
        set_numbers(self.ema.model, numbers_of(self.model))
        return self.ema.model

    def validate(self, n_tokens: int) -> None:
        """Measure the averaged model on held-out data and keep its weights if it is the best."""
        if self.validation is None:
            return
        model = self._averaged()
        with evaluation_mode(model):
            nll = held_out_loss(self.validation, model, f"after {n_tokens:,} tokens")
        if nll < min(self.validation_history.get("nll", []), default=float("inf")):
            self.best_weights = copy.deepcopy(model.state_dict())
        self.validation_history.append({"n_tokens": n_tokens, "nll": nll})

    def settings(self) -> dict[str, Any]:
        """What tells this training from another one, besides seed and data."""
        return {
            "precision": self.engine.mixed_precision,
            **settings_of("config", self.config),
            **settings_of_model("model", self.model),
            "validation": None if self.validation is None else name_of(self.validation),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on.

        The tensors are those that are trained, as of any module: copy.deepcopy keeps the state.
        """
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        own = {"best_weights": dict(self.best_weights), "settings": self.settings()}
        return parts | own

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Raises:
            ValueError: if the state was trained with another configuration.
        """
        check_settings(state["settings"], self.settings(), what="the state of this training")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.best_weights = state["best_weights"]

    def _parts(self) -> dict[str, Any]:
        parts = {
            "model": self.model,
            "optimizer": self.optimizer,
            "validation_history": self.validation_history,
        }
        return parts if self.ema is None else parts | {"ema": self.ema}


def make_optimizer(
    model: AutoregressiveModel | PixelCNN, config: ARTrainingConfig
) -> JointOptimizer:
    """Muon or AdamW for hidden matrices and filters, AdamW for everything else."""
    matrices, others = split_parameters(model)
    rate, decay = config.learning_rate_matrices, config.weight_decay
    adamw = [{"params": others, "lr": config.learning_rate_others, "weight_decay": 0.0}]
    optimizers: list[torch.optim.Optimizer] = []
    if config.optimizer == "adamw":
        adamw.append({"params": matrices, "lr": rate, "weight_decay": decay})
    elif matrices:
        momentum, n_steps = config.momentum, config.newton_schulz_steps
        optimizers.append(
            Muon(matrices, rate, momentum=momentum, weight_decay=decay, ns_steps=n_steps)
        )
    optimizers.append(torch.optim.AdamW(adamw, betas=config.betas, fused=True))
    return JointOptimizer(*optimizers, max_norm=config.max_gradient_norm)


def count_predictions(batch: Batch) -> int:
    """Number of tokens or pixels that a model predicts in a batch.

    Args:
        batch: what ``model.nll`` takes: tokens (B, T), whose first ones are given, alone or with a
            mask (the one boolean tensor, False at what is not predicted); or images (B, H, W),
            whose every pixel is predicted.

    Raises:
        ValueError: if it is a single sequence.
    """
    parts = batch if isinstance(batch, tuple) else (batch,)
    if parts[0].ndim < 2:
        raise ValueError(
            "expected a batch, tokens (B, T) or images (B, H, W), got the shape "
            f"{tuple(parts[0].shape)}; a single sequence needs a batch of its own: tokens[None]"
        )
    if parts[0].ndim > 2:
        return parts[0].numel()
    mask = next((part for part in parts if part.dtype == torch.bool), None)
    return parts[0][:, 1:].numel() if mask is None else int(mask[:, 1:].sum())


@dataclass(frozen=True)
class ARTrainingResult(Generic[ModelT]):
    """What training leaves behind.

    Attributes:
        model: the one to use, in evaluation mode: averaged if there was an average, and with the
            weights that did best if there was a validation.
        raw_model: the model as the last step left it.
        history: recorded rows with the columns n_tokens and loss, in nats per token.
        validation: rows with the columns n_tokens and nll; empty without a validation.
        n_tokens: tokens predicted.
        seconds: wall-clock time of the training steps.
    """

    model: ModelT
    raw_model: ModelT
    history: History
    validation: History
    n_tokens: int
    seconds: float


@gradients_on()
def train(
    model: ModelT,
    data: Tensor | tuple[Tensor | None, ...] | Batches,
    *,
    config: ARTrainingConfig | None = None,
    seed: int = 0,
    validation: Validation | None = None,
    validate_every: int | None = None,
    tracker: Tracker | None = None,
    checkpoint_folder: str | Path | None = None,
    checkpoint_every: int | None = None,
    progress_bar: bool = True,
    engine: Engine | None = None,
) -> ARTrainingResult[ModelT]:
    """Train ``model`` to predict each token from those before it.

    The model is trained in place, on the engine's device, and comes back to where it was, after an
    error or an interruption too: what is built on the CPU can go on with tokens on the CPU,
    whatever it was trained on.

    It was initialised by the caller, from torch's global seed; everything random in the training
    itself follows from ``seed``. To continue from a checkpoint, build it anew in the same way.

    Args:
        model: its ``nll`` is minimised.
        data: a long text (N,), which is cut into windows; or separate rows, tokens (N, T) or images
            (N, H, W), alone or in a tuple with what else ``model.nll`` takes: a mask or None,
            segments, labels; or batches of such rows made elsewhere, on the device, a generator of
            their own in them; with a checkpoint folder they have a method ``identity()``, which
            returns what tells them from others: seed and a hash of the data.
        config: how it is trained.
        seed: of the order of the data.
        validation: measures the model on held-out data, for example
            ``lambda model: text_likelihood(model, held_out, context=64).nats_per_token``.
        validate_every: measure each time so many tokens have been seen; at the end in any case.
        tracker: receives every recorded row.
        checkpoint_folder: where to save and, if there is a checkpoint, to continue from.
        checkpoint_every: save each time so many tokens have been seen; at the end in any case.
        progress_bar: show one.
        engine: device and precision; by default the GPU where there is one.

    Raises:
        ValueError: if the model cannot be trained, the data are too few or nothing that it learns
            from, the validation returns no number, a batch has nothing to predict,
            ``validate_every`` is not a whole number of at least 1, or a checkpoint does not fit the
            run: its budget is another, say, on which the learning rates depended.
        TypeError: if config, engine, tracker or validation are something else.
        FloatingPointError: if a loss, a weight or a validation is not finite.
    """
    engine, seed = as_engine(engine), as_count(seed, "seed", at_least=0)
    config = ARTrainingConfig() if config is None else config
    as_instance(config, ARTrainingConfig, "config", "write ARTrainingConfig(n_tokens=960_000), say")
    places = places_of_validation(validation, validate_every, config.n_tokens)
    check_trainable(model)
    context = config.context or getattr(model, "context", None) or _WINDOW
    config = dataclasses.replace(config, context=context)  # the number is a checkpoint's setting
    with devices_restored(model):
        # Each process of a distributed run draws data of its own.
        rng = torch.Generator().manual_seed(seed + 1_000_003 * engine.rank)
        trainer = ARTrainer(model, config=config, engine=engine, validation=validation)
        batches = _batches(
            as_training_data(model, data), context, config.batch_size, rng, engine.device
        )
        settings = None
        if checkpoint_folder is not None:
            settings = trainer.settings() | {
                "validate_every": places[0] if places else "no validation",
                **settings_of_weights("model", model),
            }
        result = run(
            trainer,
            batches,
            budget=config.n_tokens,
            unit="tokens",
            count=lambda _: trainer.n_predicted,
            at=dict.fromkeys(places, trainer.validate),
            tracker=tracker,
            checkpoint_folder=checkpoint_folder,
            checkpoint_every=checkpoint_every,
            settings=settings,
            progress_bar=progress_bar and engine.is_main,
            seed=seed,
            engine=engine,
        )
        trained = trainer.trained_model()
    model.eval()
    trained.to(next(model.parameters()).device)
    return ARTrainingResult(
        model=trained,
        raw_model=model,
        history=result.history,
        validation=trainer.validation_history,
        n_tokens=result.n_seen,
        seconds=result.seconds,
    )


def _batches(
    data: Tensor | tuple[Tensor, ...] | Batches,
    context: int,
    batch_size: int,
    rng: torch.Generator,
    device: torch.device,
) -> Batches:
    """Make batches on the device from whatever kind of data there is."""
    if isinstance(data, tuple):
        rows = tuple(part.to(device) for part in data)
        return ShuffledTuples(rows, batch_size, rng=rng)
    if not isinstance(data, Tensor):
        return data
    data = data.to(device)
    if data.ndim > 1:
        return ShuffledBatches(data, batch_size, rng=rng)
    return TokenWindows(data, context, batch_size, rng=rng)
