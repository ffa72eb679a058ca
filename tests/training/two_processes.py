"""What test_processes runs in each of two processes: ``python two_processes.py FOLDER``.

The same functions, called in a single process, do the same work on the whole batch.
"""

import re
import signal
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import torch
from torch import Tensor

from aigc_tutorial import ar, gan
from aigc_tutorial.ar.trainer import ARTrainer, ARTrainingConfig
from aigc_tutorial.data.batches.tokens import pad_sequences
from aigc_tutorial.gan import losses
from aigc_tutorial.training import CsvTracker, Engine, TrainingInterrupted

SHAPE = (1, 4, 4)
N = 8  # the whole batch
N_STEPS = 3
LOSSES = {
    loss.name: loss for loss in vars(losses).values() if isinstance(loss, losses.AdversarialLoss)
}
PENALTIES: dict[str, dict[str, float]] = {
    "no penalty": {"r1_gamma": 0.0},
    "R1": {"r1_gamma": 0.6},
    "R2": {"r1_gamma": 0.0, "r2_gamma": 0.6},
    "WGAN-GP": {"r1_gamma": 0.0, "gradient_penalty": 10.0},
}


def random(*shape: int, seed: int = 0) -> Tensor:
    """The same Gaussian numbers in every process."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def networks(*, seed: int = 0) -> tuple[gan.MLPGenerator, gan.MLPDiscriminator]:
    """A small pair."""
    torch.manual_seed(seed)
    generator = gan.MLPGenerator(gan.MLPGeneratorConfig(4, SHAPE, hidden=(8,)))
    return generator, gan.MLPDiscriminator(gan.MLPDiscriminatorConfig(SHAPE, hidden=(8,)))


def weights(*models: torch.nn.Module) -> Tensor:
    """All parameters in one vector."""
    return torch.cat([p.detach().flatten() for model in models for p in model.parameters()])


def gradients(*models: torch.nn.Module) -> Tensor:
    """All gradients in one vector."""
    parameters = [p for model in models for p in model.parameters()]
    return torch.cat([torch.zeros(p.numel()) if p.grad is None else p.grad.flatten()
                      for p in parameters])  # fmt: skip


def gan_steps(engine: Engine, loss: str, penalty: str) -> dict[str, Tensor]:
    """A few steps on this process's part of the batches; gradients of the first, last weights.

    The first step has a rate of 0: Adam would make whole steps of what is rounded differently.
    """
    own = slice(engine.rank * N // engine.n_processes, (engine.rank + 1) * N // engine.n_processes)
    options: dict[str, Any] = {"penalty_every": 1, "warmup_images": 1, **PENALTIES[penalty]}
    # Another seed in each process: the engine must give all of them the weights of the first.
    generator, discriminator = networks(seed=engine.rank)
    player = gan.GANTrainer(
        generator,
        discriminator,
        loss=LOSSES[loss],
        config=gan.GANTrainingConfig(batch_size=N, n_images=N * N_STEPS, **options),
        rng=torch.Generator(),
        engine=engine,
    )
    result = {}
    for step in range(N_STEPS):
        latents = random(N, 4, seed=10 + step)[own]
        mixing = random(N, 1, 1, 1, seed=20 + step).sigmoid()[own]
        x_real = random(N, *SHAPE, seed=30 + step)[own].tanh()
        with (
            patch.object(generator, "sample_latent", Mock(return_value=latents)),
            patch.object(torch, "rand", Mock(return_value=mixing)),
        ):
            scalars = player.step(x_real, step / N_STEPS)
        if step == 0:
            result["gradients"] = gradients(generator, discriminator)
            result["scalars"] = torch.tensor(list(engine.mean(scalars).values()))
    result["weights"] = weights(generator, discriminator, player.ema.model)
    result["n_averaged"] = torch.tensor(player.ema.n_seen)
    return result


def conditional_step(engine: Engine) -> dict[str, Tensor]:
    """One step with labels on this process's part of the batch, at a rate of 0; the gradients.

    Batch normalisation is in evaluation mode: it would know its own part alone.
    """
    own = slice(engine.rank * N // engine.n_processes, (engine.rank + 1) * N // engine.n_processes)
    torch.manual_seed(engine.rank)
    shape, labels = (1, 8, 8), torch.arange(N) % 3
    generator = gan.ConvGenerator(gan.ConvGeneratorConfig(4, shape, (4, 4), n_classes=3))
    for module in generator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    discriminator = gan.ConvDiscriminator(
        gan.ConvDiscriminatorConfig(shape, (4, 4, 4), n_classes=3)
    )
    player = gan.GANTrainer(
        generator,
        discriminator,
        loss=losses.RELATIVISTIC,
        config=gan.GANTrainingConfig(batch_size=N, n_images=N, penalty_every=1, warmup_images=1),
        rng=torch.Generator(),
        engine=engine,
        labels=labels,
    )
    latents, x_real = random(N, 4, seed=10)[own], random(N, *shape, seed=30)[own].tanh()
    with patch.object(generator, "sample_latent", Mock(return_value=latents)):
        player.step((x_real, labels[own]), 0.0)
    return {"gradients": gradients(generator, discriminator)}


LENGTHS = (9, 3, 8, 7, 2, 2, 3, 2)
N_PREDICTED = {"all": 8 + 2 + 7 + 6 + 1 + 1 + 2 + 1, "first half": 8 + 2 + 7 + 6}


def ar_step(engine: Engine, targets: str) -> dict[str, Tensor]:
    """One step on sequences of unequal lengths: the processes predict unequally many tokens.

    With targets in the first half alone, the second process predicts none.
    """
    tokens, mask = pad_sequences([torch.arange(length) % 7 for length in LENGTHS])
    if targets == "first half":
        mask[len(tokens) // 2 :] = False
    half = len(tokens) // engine.n_processes
    own = slice(engine.rank * half, (engine.rank + 1) * half)
    torch.manual_seed(engine.rank)
    model = ar.RecurrentModel(ar.RecurrentConfig(7, "gru", 4, 6))
    player = ARTrainer(model, config=ARTrainingConfig(ema_half_life=10.0), engine=engine)
    scalars = player.step((tokens[own], mask[own]), 0.5)
    assert player.ema is not None
    return {
        "gradients": gradients(model),
        "loss": torch.tensor(engine.mean(scalars)["loss"]),
        "n_averaged": torch.tensor(player.ema.n_seen),
    }


class Asked(Engine):
    """Has process 1 hear Ctrl-C after as many steps of optimizers, in the middle of a step."""

    def __init__(self, n_updates: int) -> None:
        super().__init__(device="cpu")
        self.n_left = n_updates

    def minimise(self, loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
        """Take a step, and hear Ctrl-C before if none is left."""
        if self.n_left == 0 and self.rank == 1:
            signal.raise_signal(signal.SIGINT)
        self.n_left -= 1
        super().minimise(loss, *optimizers)


class Interrupted(Engine):
    """Interrupts all processes after as many steps of optimizers."""

    def __init__(self, n_updates: int) -> None:
        super().__init__(device="cpu")
        self.n_left = n_updates

    def minimise(self, loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
        """Take a step, or raise KeyboardInterrupt if none is left."""
        if self.n_left == 0:
            raise KeyboardInterrupt
        self.n_left -= 1
        super().minimise(loss, *optimizers)


def whole_run(folder: Path, name: str, engine: Engine, **options: Any) -> dict[str, Tensor]:
    """A run of ``gan.train`` with checkpoints and a log."""
    torch.manual_seed(0)
    generator = gan.MLPGenerator(gan.MLPGeneratorConfig(4, SHAPE, hidden=(8,), batch_norm=True))
    result = gan.train(
        generator,
        networks()[1],
        random(24, *SHAPE).tanh(),
        config=gan.GANTrainingConfig(n_images=96, batch_size=4, warmup_images=16, penalty_every=2),
        seed=5,
        tracker=CsvTracker(folder / f"{name}.csv"),
        checkpoint_folder=folder / name,
        checkpoint_every=32,
        progress_bar=False,
        engine=engine,
        **options,
    )
    parts = {f"generator {name}": t for name, t in result.raw_generator.state_dict().items()}
    parts |= {f"average {name}": t for name, t in result.generator.state_dict().items()}
    parts |= {f"discriminator {name}": t for name, t in result.discriminator.state_dict().items()}
    return {**parts, "n_images": torch.tensor(result.history["n_images"])}


def asked_run(folder: Path, engine: Engine) -> dict[str, Tensor]:
    """The same, which process 1 alone is asked to stop, and which then goes on."""
    try:
        whole_run(folder, "asked", Asked(13))
    except TrainingInterrupted as interruption:
        result = whole_run(folder, "asked", engine)
        stopped_after = int(re.findall(r"after (\d+) of 96", str(interruption))[0])
        return {**result, "stopped_after": torch.tensor(stopped_after)}
    raise AssertionError("the run was not stopped")


def main(folder: Path) -> None:
    """Everything, in this process; the results go into a file with its number."""
    engine = Engine(device="cpu")
    results: dict[str, dict[str, Tensor]] = {
        f"ar, {targets}": ar_step(engine, targets) for targets in N_PREDICTED
    }
    for loss in LOSSES:
        for penalty in PENALTIES:
            results[f"{loss}, {penalty}"] = gan_steps(engine, loss, penalty)
    results["conditional"] = conditional_step(engine)
    results["whole"] = whole_run(folder, "whole", engine)
    try:
        whole_run(folder, "parts", Interrupted(13))
    except KeyboardInterrupt:
        results["parts"] = whole_run(folder, "parts", engine)
    results["asked"] = asked_run(folder, engine)
    torch.save(results, folder / f"results {engine.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
