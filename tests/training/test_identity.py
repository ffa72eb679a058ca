"""What a reader changes between two runs in one folder is noticed, whatever it is."""

import dataclasses
import functools
import math
import pathlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from aigc_tutorial import gan, training
from aigc_tutorial.data import ShuffledBatches
from aigc_tutorial.gan import losses
from aigc_tutorial.training import load_checkpoint, run

CONFIG = gan.GANTrainingConfig(n_images=64, batch_size=16)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def rows() -> torch.Tensor:
    return torch.randn(64, 2, generator=seeded())


class Scaled(gan.MLPGenerator):
    """A model with a number that no configuration knows, as in a cell that is edited."""

    factor = 1.0

    def forward(self, z):
        return self.factor * super().forward(z)


class WithBuffer(gan.MLPGenerator):
    scale: torch.Tensor

    def __init__(self, config, value=1.0):
        super().__init__(config)
        self.register_buffer("scale", torch.tensor(value), persistent=False)

    def forward(self, z):
        return self.scale * super().forward(z)


def networks(kind: Any = gan.MLPGenerator, **given: Any) -> Any:
    torch.manual_seed(0)
    config = gan.MLPGeneratorConfig(latent_dim=2, image_shape=(2,), hidden=(8,), bounded=False)
    discriminator = gan.MLPDiscriminator(gan.MLPDiscriminatorConfig(image_shape=(2,), hidden=(8,)))
    return kind(config, **given), discriminator


def start(rows, folder, *, pair=None, **given):
    given = {"config": CONFIG, "progress_bar": False, "checkpoint_folder": folder} | given
    generator, discriminator = pair or networks()
    return gan.train(generator, discriminator, rows, **given)


def test_the_code_of_a_class_is_part_of_a_run(rows, tmp_path, monkeypatch):
    start(rows, tmp_path, pair=networks(Scaled))
    start(rows, tmp_path, pair=networks(Scaled))
    monkeypatch.setattr(Scaled, "factor", 5.0)
    with pytest.raises(ValueError, match="belongs to another run: its first losses: loss"):
        start(rows, tmp_path, pair=networks(Scaled))


def test_a_buffer_that_no_file_holds_is_part_of_a_run(rows, tmp_path):
    start(rows, tmp_path, pair=networks(WithBuffer))
    start(rows, tmp_path, pair=networks(WithBuffer))
    with pytest.raises(ValueError, match="belongs to another run"):
        start(rows, tmp_path, pair=networks(WithBuffer, value=2.0))


def smoothed(real, fake, target):
    loss = nn.functional.binary_cross_entropy_with_logits
    return loss(real, torch.full_like(real, target)) + nn.functional.softplus(fake).mean()


class Smoothed:
    def __init__(self, target):
        self.target = target

    def __call__(self, real, fake):
        return smoothed(real, fake, self.target)


def closure(target):
    return lambda real, fake: smoothed(real, fake, target)


@pytest.mark.parametrize(
    "make", [lambda t: functools.partial(smoothed, target=t), Smoothed, closure]
)
def test_numbers_bound_in_a_loss_are_part_of_a_run(rows, tmp_path, make):
    def game(target):
        return losses.AdversarialLoss(
            "smoothed", make(target), losses.non_saturating_generator_loss
        )

    start(rows, tmp_path, loss=game(1.0))
    start(rows, tmp_path, loss=game(1.0))
    with pytest.raises(ValueError, match="belongs to another run"):
        start(rows, tmp_path, loss=game(0.7))


def test_a_layer_that_was_exchanged_is_part_of_a_run(rows, tmp_path):
    start(rows, tmp_path)
    generator, discriminator = networks()
    for module in discriminator.modules():
        if isinstance(module, nn.LeakyReLU):
            module.negative_slope = 0.9
    with pytest.raises(ValueError, match=r"its first .* Use another folder"):
        start(rows, tmp_path, pair=(generator, discriminator))


def convolutional() -> Any:
    torch.manual_seed(0)
    return (
        gan.ConvGenerator(gan.ConvGeneratorConfig(latent_dim=4, channels=(8, 4))),
        gan.ConvDiscriminator(gan.ConvDiscriminatorConfig(channels=(4, 4, 4))),
    )


def test_a_batch_norm_put_into_evaluation_mode_is_part_of_a_run(tmp_path):
    images = torch.rand(32, 1, 28, 28, generator=seeded()) * 2 - 1
    start(images, tmp_path, pair=convolutional())
    generator, discriminator = convolutional()
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    with pytest.raises(ValueError, match=r"its first moves of the weights: \w+ differ by \d+%"):
        start(images, tmp_path, pair=(generator, discriminator))


class Elsewhere(gan.ConvGenerator):
    """On another machine the last bits are others: here they are made so."""

    factor = 1.0

    def forward(self, z, labels=None):
        return self.factor * super().forward(z, labels)


def test_a_run_goes_on_where_numbers_are_rounded_otherwise(tmp_path, monkeypatch):
    """A bias before a batch norm has the gradient zero, whose rounding Adam makes steps of."""

    def networks():
        generator, discriminator = convolutional()
        return Elsewhere(generator.config), discriminator

    def saved():
        return load_checkpoint(tmp_path)["processes"][0]

    images = torch.rand(32, 1, 28, 28, generator=seeded()) * 2 - 1
    start(images, tmp_path, pair=networks())
    here = saved()
    monkeypatch.setattr(Elsewhere, "factor", 1 + 1e-6)
    weights = start(images, tmp_path, pair=networks()).raw_generator.state_dict()
    assert all(torch.equal(here["task"]["generator"][name], w) for name, w in weights.items())
    (tmp_path / "checkpoint.safetensors").unlink()
    start(images, tmp_path, pair=networks())
    moves = "first moves of the weights: generator"
    one, other = (run["settings"][moves]["layers.8.bias"] for run in (here, saved()))
    assert math.dist(one, other) > 0.3 * math.hypot(*one[1:])


def moves_of(**parts):
    """The settings of a step that moves the tensors of one module."""
    before = {"model": {name: torch.zeros(len(move)) for name, move in parts.items()}}
    (moves,) = training.checkpoint.settings_of_first_step({}, before, {"model": parts}).values()
    return moves


def test_moves_differ_by_the_share_of_their_entries():
    draws = torch.randn(3, 100_000, generator=seeded())
    share = training.checkpoint._difference_of_moves
    for factor in (1.0, 1e-6):  # each is measured by its own size
        one = moves_of(large=draws[0], small=factor * draws[1, :1000])
        assert share(one, moves_of(large=draws[0], small=-factor * draws[1, :1000])) < 0.25
        other = moves_of(large=0.8 * draws[0] + 0.6 * draws[2], small=factor * draws[1, :1000])
        assert share(one, other) == pytest.approx(0.4**0.5, rel=0.3)
    one = moves_of(moved=draws[0, :5], still=torch.zeros(100_000))
    assert share(one, one) == share(moves_of(still=torch.zeros(5)), moves_of(still=torch.zeros(5)))
    assert share(one, one) == 0
    opposite = moves_of(moved=-draws[0, :5], still=torch.zeros(100_000))
    assert share(one, opposite) == pytest.approx(2)
    for other in (moves_of(moved=draws[0, :5]), "not set", moves_of(moved=draws[0, :6])):
        assert share(moves_of(still=draws[0, :5]), other) == math.inf
    with pytest.raises(ValueError, match=r"its first moves of the weights: a are of other tensors"):
        training.checkpoint.check_settings(
            {"first moves of the weights: a": one}, {}, what="the checkpoint"
        )


@pytest.mark.parametrize("convolutions", [False, True])
def test_trying_the_first_step_changes_no_bit(rows, tmp_path, convolutions):
    data = torch.rand(32, 1, 28, 28, generator=seeded()) * 2 - 1 if convolutions else rows
    results = [
        start(data, folder, pair=convolutional() if convolutions else networks())
        for folder in (None, tmp_path)
    ]
    without, with_folder = (result.generator.state_dict() for result in results)
    assert all(torch.equal(without[name], with_folder[name]) for name in without)
    assert list(results[0].history.rows()) == list(results[1].history.rows())


class Task:
    """Linear regression with dropout, which draws from torch's own generator."""

    def __init__(self):
        self.layer = nn.Linear(2, 1)
        nn.init.ones_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        self.optimizer = torch.optim.SGD(self.layer.parameters(), 0.01)

    def step(self, batch, progress):
        self.optimizer.zero_grad()
        loss = self.layer(nn.functional.dropout(batch)).square().mean()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.detach()}

    def state_dict(self):
        return {"layer": self.layer.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state):
        self.layer.load_state_dict(state["layer"])
        self.optimizer.load_state_dict(state["optimizer"])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 1}, "its seed is 0, and 1 is wanted"),
        ({"rng_seed": 1}, "its seed of the batches is 0, and 1 is wanted"),
        ({"scale": 2.0}, "its data .* is wanted"),
        ({"settings": {"betas": [0.9, 0.99999]}}, "its betas is "),
    ],
)
def test_a_run_knows_its_seed_and_its_batches(rows, tmp_path, changed, named):
    def go(seed=0, rng_seed=0, scale=1.0, settings=None):
        return run(
            Task(),
            ShuffledBatches(scale * rows, 16, rng=seeded(rng_seed)),
            budget=64,
            seed=seed,
            settings=settings or {"betas": [0.9, 0.9999]},
            checkpoint_folder=tmp_path,
            progress_bar=False,
        )

    assert go().history["loss"] == go().history["loss"]
    with pytest.raises(ValueError, match=named):
        go(**changed)


def test_the_names_of_bound_values_are_short_and_the_same_each_time():
    names = [training.checkpoint.name_of(functools.partial(smoothed, target=t)) for t in (1.0, 0.7)]
    assert names[0] != names[1]
    assert "smoothed with" in names[0]
    long = functools.partial(smoothed, target=torch.arange(1000.0))
    assert len(training.checkpoint.name_of(long)) < 120


@dataclasses.dataclass(frozen=True)
class Odd:
    """A configuration with a value that no file can hold."""

    width: int = 2
    path: Any = dataclasses.field(default_factory=lambda: pathlib.PurePosixPath("here"))


def test_a_configuration_is_told_by_every_field():
    settings_of = training.checkpoint.settings_of
    assert settings_of("model", Odd()) == {
        "model.width": 2,
        "model.path": "PurePosixPath('here')",
    }
    assert settings_of("model", None) == settings_of("model", Odd) == {}


@dataclasses.dataclass
class Holding:
    thing: Any


class Plain:
    """Is written with the place where it lies in memory."""


def test_a_configuration_is_told_by_no_address_and_by_the_whole_of_an_array():
    def setting(thing: Any) -> Any:
        return training.checkpoint.settings_of("model", Holding(thing))["model.thing"]

    assert setting(smoothed) == training.checkpoint.name_of(smoothed)
    assert setting(Plain()) == setting(Plain())
    assert setting((smoothed, 1)) != setting((smoothed, 2))
    assert setting(losses.HINGE) == setting(dataclasses.replace(losses.HINGE))
    assert setting(losses.HINGE) != setting(
        dataclasses.replace(losses.HINGE, generator=losses.WASSERSTEIN.generator)
    )
    assert setting(iter(())) == setting(iter(()))
    for text in (setting(smoothed), setting(Plain()), setting((smoothed, Plain()))):
        assert "0x" not in text
    long = np.zeros(2_000)
    other = long.copy()
    other[1_000] = 1
    assert repr(long) == repr(other)
    assert setting(long) == setting(long.copy()) != setting(other)


def test_a_tensor_may_be_a_setting():
    check = training.checkpoint.check_settings
    for one, same, other in (
        (torch.ones(3), torch.ones(3), torch.zeros(3)),
        ({"weights": (1, torch.ones(3))}, {"weights": (1, torch.ones(3))}, {"weights": (1, 2)}),
    ):
        check({"a": one}, {"a": same}, what="c")
        with pytest.raises(ValueError, match="c belongs to another run: its a is "):
            check({"a": one}, {"a": other}, what="c")


def test_a_model_is_told_by_its_class_its_configuration_and_what_is_frozen():
    def settings(model):
        return training.checkpoint.settings_of_model("generator", model)

    model = networks()[0]
    first = next(name for name, _ in model.named_parameters())
    expected = settings(model)
    assert expected["generator's class"] == "aigc_tutorial.gan.mlp.MLPGenerator"
    assert expected["generator.latent_dim"] == 2
    assert expected["generator's types"] == ["torch.float32"]
    assert settings(networks(Scaled)[0])["generator's class"] != expected["generator's class"]
    assert "generator.latent_dim" not in settings(nn.Linear(2, 2))
    next(model.parameters()).requires_grad_(False)
    assert settings(model) == expected | {"generator's frozen parameters": [first]}


def test_weights_are_told_though_a_mask_holds_infinities():
    def settings(values):
        layer = nn.Module()
        layer.register_buffer("mask", torch.tensor(values))
        return list(training.checkpoint.settings_of_weights("model", layer).values())

    (numbers,) = settings([math.inf, -math.inf, 0.5])
    assert all(abs(number) < 100 for number in numbers)
    assert settings([math.inf, -math.inf, 0.5]) == [numbers]
    assert settings([math.inf, -math.inf, 0.25]) != [numbers]


def test_a_name_says_what_is_bound_where_something_is():
    name_of = training.checkpoint.name_of
    assert name_of(smoothed) == f"{__name__}.smoothed"
    assert name_of(Odd) == f"{__name__}.Odd"
    assert name_of(Odd()) != name_of(Odd(width=3))
    by_place, by_name = functools.partial(smoothed, 1.0), functools.partial(smoothed, target=1.0)
    assert len({name_of(by_place), name_of(by_name), name_of(functools.partial(smoothed))}) == 3


def test_computed_numbers_agree_up_to_rounding_and_settings_to_the_bit():
    checkpoint = training.checkpoint
    loss = f"{checkpoint.FIRST_LOSSES}: a: b"
    same = [
        (loss, [1e-4], [1.1e-3]),  # below 1 it is the difference that counts
        (loss, [100.0], [100.1]),
        ("betas", [0.9], [0.9]),
    ]
    other = [
        (loss, [1e-4], [3e-3]),
        (loss, [100.0], [101.0]),
        (loss, [1e-4], [1e-4, 0.0]),
        ("betas", [0.9], [0.9 + 1e-9]),
    ]
    assert all(checkpoint._agree(*case) for case in same)
    assert not any(checkpoint._agree(*case) for case in other)


def validation_around(held_out):
    def measure(model):
        return float(held_out.sum())

    return measure


def losses_around(held_out):
    texts = list(held_out)

    def measure(model):
        losses = []
        for text in texts:
            losses.append(float(text))
        return sum(losses)

    return measure


class Measure:
    def __init__(self, held_out):
        self.held_out, self.curve = held_out, []

    def __call__(self, model):
        self.curve.append(1.0)

    def method(self, model):
        self.curve.append(1.0)


def test_a_function_is_told_by_the_data_that_it_reads():
    name_of = training.checkpoint.name_of
    some, other = torch.arange(5), torch.arange(5) * 2
    makers = [
        validation_around,
        lambda data: validation_around(data.numpy()),
        lambda data: validation_around((data, 1)),
        lambda data: validation_around(str(data.tolist()) * 100),
        lambda data: lambda model, held_out=data: held_out,
        lambda data: (lambda inner: lambda model: inner(model))(validation_around(data)),
        lambda data: validation_around(list(data)),
        lambda data: validation_around({"held out": [data]}),
        lambda data: validation_around(data.tolist() * 10),
        lambda data: validation_around([data.tolist(), [7]]),
        lambda data: validation_around([str(data.tolist())] * 20),
        lambda data: validation_around(TensorDataset(data)),
        lambda data: validation_around(DataLoader(Subset(TensorDataset(data), [1, 2]))),
        losses_around,
        Measure,
        lambda data: Measure(data).method,
    ]
    for make in makers:
        assert name_of(make(some)) == name_of(make(some.clone()))
        assert name_of(make(some)) != name_of(make(other))


def test_what_a_function_puts_into_a_list_or_a_dictionary_is_no_data():
    def around(held_out, curve, seen):
        def measure(model):
            curve.append(torch.ones(1))
            seen[len(held_out), "losses"] = held_out[0]
            return float(held_out[0])

        return measure

    def made(held_out):
        return around([held_out], [torch.zeros(1)], {0: torch.zeros(1)})

    name_of, held_out = training.checkpoint.name_of, torch.arange(1)
    measure = made(held_out)
    before = name_of(measure)
    measure(None)
    assert name_of(measure) == before
    assert name_of(made(held_out + 1)) != before


def test_a_few_numbers_are_no_data():
    name_of = training.checkpoint.name_of
    assert name_of(validation_around([3, 4])) == name_of(validation_around([]))


def test_what_a_data_set_keeps_is_no_data():
    """One that was read before is no other one."""

    class Kept(TensorDataset):
        def __init__(self, *tensors):
            super().__init__(*tensors)
            self.kept = {}

        def __getitem__(self, i):
            return self.kept.setdefault(i, super().__getitem__(i))

    held_out, name_of = Kept(torch.arange(5)), training.checkpoint.name_of
    measure = validation_around(held_out)
    before = name_of(measure)
    assert held_out[2]
    assert name_of(measure) == before


def test_what_a_function_counts_in_does_not_make_it_another():
    def counting(n: int) -> Any:
        left, seen, rates = [n] * 50, {"a": n}, [n] * 50

        def validation(model: Any) -> float:
            left[0] -= 1
            seen[f"{model}"] = 3 + left[0]
            seen["a"] += max(left[0], 2)
            return float(rates[0]) if told else 0.0

        return validation

    name_of = training.checkpoint.name_of
    told = False
    assert name_of(counting(1)) != name_of(counting(2))  # by the rates, which are read alone
    assert "left" not in name_of(counting(1))
    assert "seen" not in name_of(counting(1))


def test_what_an_object_collects_does_not_make_it_another():
    measure, name_of = Measure(torch.arange(5)), training.checkpoint.name_of
    names = name_of(measure), name_of(measure.method)
    measure(None)
    measure.method(None)
    assert (name_of(measure), name_of(measure.method)) == names
