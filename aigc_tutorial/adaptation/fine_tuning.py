"""Training a classifier: the head alone, with LoRA's factors, or with all of its backbone."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from aigc_tutorial.adaptation.heads import Classifier, text_features, trimmed
from aigc_tutorial.config import Config, as_instance
from aigc_tutorial.data.batches.rows import ShuffledTuples
from aigc_tutorial.data.checks import as_classes, require_same_length
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn import devices_restored, evaluation_mode, full_precision, gradients_on
from aigc_tutorial.optim import JointOptimizer, warmup_flat_decay
from aigc_tutorial.tensors import content_hash
from aigc_tutorial.training import Engine, History, Tracker, run
from aigc_tutorial.training.checkpoint import (
    check_settings,
    settings_of,
    settings_of_model,
    settings_of_weights,
)
from aigc_tutorial.training.engine import as_engine

LabelledTexts = tuple[Tensor, Tensor | None, Tensor]
"""Tokens (N, T), their mask (N, T) or None, and the class of each text (N,)."""


@dataclass(frozen=True)
class FineTuningConfig(Config):
    """How a :class:`aigc_tutorial.adaptation.Classifier` is trained, by AdamW.

    The best rates of head, factors and whole backbone are ten times apart and more: choose them on
    validation data, each way of training its own.

    Attributes:
        n_examples: budget, in texts seen, counted with repetition.
        batch_size: texts in a step; where there are fewer, all of them.
        learning_rate_head: step size of the head at the top of the schedule.
        learning_rate_backbone: that of whatever is trained in the backbone: LoRA's factors, or all.
        weight_decay: decoupled, of all that is trained.
        betas: AdamW's two decay rates.
        warmup: share of the budget over which the rates rise from 0.
        flat_until: share of the budget at which they start to fall linearly, to 0.
        max_gradient_norm: longer gradients are scaled down to this length; None for no limit.
    """

    n_examples: int = 8_000
    batch_size: int = 16
    learning_rate_head: float = 1e-2
    learning_rate_backbone: float = 1e-3
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
    warmup: float = 0.05
    flat_until: float = 0.4
    max_gradient_norm: float | None = 1.0

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("n_examples", "batch_size", at_least=1)
        self.require("learning_rate_head", "learning_rate_backbone", above=0)
        self.require("weight_decay", at_least=0)
        self.require("betas", at_least=0, below=1)
        self.require("warmup", "flat_until", at_least=0, at_most=1)
        self.require("max_gradient_norm", above=0)
        if self.warmup > self.flat_until:
            raise ValueError(
                f"the warm-up ends after {self.warmup:g} of the budget, and the rates fall from "
                f"{self.flat_until:g} on; warmup must be at most flat_until"
            )


@dataclass(frozen=True)
class FineTuningResult:
    """What training leaves behind; the classifier itself was trained in place.

    Attributes:
        history: recorded rows with the columns n_examples and loss, in nats.
        validation: rows with the columns n_examples, nll and accuracy; empty without a validation.
        n_examples: texts seen.
        seconds: wall-clock time of the training steps, and of computing features beforehand where
            the backbone is frozen.
    """

    history: History
    validation: History
    n_examples: int
    seconds: float


class ClassifierTrainer:
    """The classifier, its optimizer, and the update.

    The state is complete: saved and restored, training goes on with the same bits.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        config: FineTuningConfig,
        engine: Engine,
        validation: tuple[Tensor, ...] | None = None,
    ) -> None:
        """Prepare the optimizer.

        Args:
            classifier: on the engine's device already.
            config: rates and schedule.
            engine: takes the steps.
            validation: as the batches are, and never learned from.
        """
        self.classifier, self.config, self.engine = classifier, config, engine
        self.validation = validation
        self.validation_history = History()
        self.best: dict[str, Tensor] = {}
        trained = {n: p for n, p in classifier.named_parameters() if p.requires_grad}
        self.trained = trained
        rates = config.learning_rate_head, config.learning_rate_backbone
        groups = [
            [p for name, p in trained.items() if name.startswith("backbone.") == is_backbone]
            for is_backbone in (False, True)
        ]
        adamw = torch.optim.AdamW(
            [{"params": g, "lr": r} for g, r in zip(groups, rates, strict=True) if g],
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.optimizer = JointOptimizer(adamw, max_norm=config.max_gradient_norm)

    def step(self, batch: tuple[Tensor, ...], progress: float) -> dict[str, Tensor]:
        """Go down the mean cross-entropy of the labels.

        Args:
            batch: tokens, mask and labels; or features and labels, where these are at hand.
            progress: share of the budget spent so far.
        """
        config = self.config
        self.optimizer.scale_learning_rates(
            warmup_flat_decay(
                progress, warmup=config.warmup, flat_until=config.flat_until, final=0.0
            )
        )
        *inputs, labels = batch
        with self.engine.autocast():
            logits = self._logits(inputs)
        loss = F.cross_entropy(full_precision(logits), labels)
        self.engine.minimise(loss, self.optimizer)
        return {"loss": loss.detach()}

    def validate(self, n_examples: int) -> None:
        """Measure on held-out data, and keep the weights if their likelihood is the best so far."""
        if self.validation is None:
            return
        *inputs, labels = self.validation
        with torch.no_grad(), evaluation_mode(self.classifier):
            if len(inputs) > 1:
                inputs = [text_features(self.classifier, *inputs)]
            logits = full_precision(self._logits(inputs))
        nll = float(F.cross_entropy(logits, labels))
        if not math.isfinite(nll):
            raise FloatingPointError(
                f"after {n_examples:,} examples the loss on the validation data is {nll}; choose "
                "smaller learning rates"
            )
        accuracy = float((logits.argmax(1) == labels).double().mean())
        if nll < min(self.validation_history.get("nll", []), default=math.inf):
            self.best = {name: p.detach().clone() for name, p in self.trained.items()}
        self.validation_history.append({"n_examples": n_examples, "nll": nll, "accuracy": accuracy})

    def _logits(self, inputs: list[Tensor]) -> Tensor:
        if len(inputs) == 1:
            logits: Tensor = self.classifier.head(inputs[0])
            return logits
        return self.classifier(*trimmed(*inputs))

    def settings(self) -> dict[str, Any]:
        """What tells this training from another one, besides seed and data."""
        return {
            "precision": self.engine.mixed_precision,
            "pooling": self.classifier.pooling,
            **settings_of("config", self.config),
            **settings_of_model("classifier", self.classifier),
            **settings_of_model("backbone", self.classifier.backbone),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return parts | {"best": dict(self.best), "settings": self.settings()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Raises:
            ValueError: if the state was trained with another configuration.
        """
        check_settings(state["settings"], self.settings(), what="the state of this training")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.best = dict(state["best"])

    def take_best(self) -> None:
        """Go back to the weights that did best in the validation, if there was one."""
        with torch.no_grad():
            for name, values in self.best.items():
                self.trained[name].copy_(values)

    def _parts(self) -> dict[str, Any]:
        return {
            "classifier": self.classifier,
            "optimizer": self.optimizer,
            "validation_history": self.validation_history,
        }


@gradients_on()
def train_classifier(
    classifier: Classifier,
    data: LabelledTexts,
    *,
    config: FineTuningConfig | None = None,
    seed: int = 0,
    validation: LabelledTexts | None = None,
    validate_every: int | None = None,
    tracker: Tracker | None = None,
    checkpoint_folder: str | Path | None = None,
    checkpoint_every: int | None = None,
    progress_bar: bool = True,
    engine: Engine | None = None,
) -> FineTuningResult:
    """Train a classifier in place, on the engine's device; it comes back to where it was.

    Where the head alone can be trained, the features of all texts are computed once, beforehand:
    an epoch then costs no more than a product of two small matrices.

    Args:
        classifier: what can be trained in it is trained.
        data: tokens, mask or None, and labels; :func:`aigc_tutorial.adaptation.encode_texts` makes
            the first two.
        config: how it is trained.
        seed: of the order of the texts.
        validation: held-out texts of the same form. The weights whose likelihood of its labels is
            the best are those that the classifier has at the end.
        validate_every: measure each time so many texts have been seen; by default a tenth of the
            budget.
        tracker: receives every recorded row.
        checkpoint_folder: where to save and, if there is a checkpoint, to continue from.
        checkpoint_every: save each time so many texts have been seen; at the end in any case.
        progress_bar: show one.
        engine: device and precision; by default the GPU where there is one.

    Raises:
        ValueError: if texts, masks or labels do not fit each other or the classifier, or a
            checkpoint does not fit the run.
        TypeError: if classifier, config or engine are something else.
        FloatingPointError: if a loss or a weight is not finite.
    """
    as_instance(classifier, Classifier, "classifier", "write Classifier(backbone, n_classes)")
    engine, seed = as_engine(engine), as_count(seed, "seed", at_least=0)
    config = FineTuningConfig() if config is None else config
    as_instance(config, FineTuningConfig, "config", "write FineTuningConfig(n_examples=8_000), say")
    every = max(1, config.n_examples // 10)
    if validate_every is not None:
        every = as_count(validate_every, "validate_every")
    rows = _checked(classifier, data, "data")
    held_out = None if validation is None else _checked(classifier, validation, "validation")
    fingerprint = None if held_out is None else content_hash(*held_out)
    with devices_restored(classifier):
        engine.prepare(classifier)
        started = time.perf_counter()
        rows = _prepared(classifier, rows, engine)
        seconds = time.perf_counter() - started
        held_out = None if held_out is None else _prepared(classifier, held_out, engine)
        trainer = ClassifierTrainer(classifier, config=config, engine=engine, validation=held_out)
        rng = torch.Generator().manual_seed(seed + 1_000_003 * engine.rank)
        batches = ShuffledTuples(rows, min(config.batch_size, len(rows[0])), rng=rng)
        settings = None
        if checkpoint_folder is not None:
            settings = trainer.settings() | {
                "validate_every": "no validation" if held_out is None else every,
                "validation": fingerprint,
                **settings_of_weights("classifier", classifier),
            }
        evaluations = [*range(every, config.n_examples, every), config.n_examples]
        result = run(
            trainer,
            batches,
            budget=config.n_examples,
            unit="examples",
            at=dict.fromkeys(evaluations, trainer.validate),
            tracker=tracker,
            checkpoint_folder=checkpoint_folder,
            checkpoint_every=checkpoint_every,
            settings=settings,
            progress_bar=progress_bar and engine.is_main,
            seed=seed,
            engine=engine,
        )
        trainer.take_best()
    classifier.eval()
    return FineTuningResult(
        history=result.history,
        validation=trainer.validation_history,
        n_examples=result.n_seen,
        seconds=seconds + result.seconds,
    )


def _checked(classifier: Classifier, data: Any, name: str) -> tuple[Tensor, ...]:
    """Tokens, mask and labels that fit each other and the classifier."""
    if not isinstance(data, tuple) or len(data) != 3:
        raise ValueError(
            f"{name} must be a tuple of tokens, mask (or None) and labels, got a "
            f"{type(data).__name__}"
        )
    tokens, mask = classifier.check_texts(*data[:2])
    labels = as_classes(data[2], classifier.n_classes, f"the labels of {name}")
    require_same_length(tokens, labels, f"texts in {name}", "labels")
    if not len(labels):
        raise ValueError(f"{name} holds no text; give one or more")
    return tokens, mask, labels


def _prepared(
    classifier: Classifier, rows: tuple[Tensor, ...], engine: Engine
) -> tuple[Tensor, ...]:
    """Rows on the device; of a frozen backbone its features in place of the tokens."""
    tokens, mask, labels = (part.to(engine.device) for part in rows)
    if classifier.is_backbone_frozen:
        return text_features(classifier, tokens, mask), labels
    return tokens, mask, labels
