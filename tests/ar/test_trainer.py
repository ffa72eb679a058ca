"""Training: what is minimised, which optimizer moves what, resuming, the best weights."""

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.models.pixelcnn import PixelCNN, PixelCNNConfig
from aigc_tutorial.ar.models.transformer import Transformer, TransformerConfig
from aigc_tutorial.ar.trainer import ARTrainer, ARTrainingConfig, count_predictions, train
from aigc_tutorial.data.batches.tokens import TokenWindows, pad_sequences
from aigc_tutorial.training import CsvTracker, Engine
from tests.training.interrupted import InterruptedEngine

V = 5
CONFIG = ARTrainingConfig(n_tokens=960, batch_size=4, context=8, warmup_tokens=64)


@dataclass(frozen=True)
class PairConfig:
    vocab_size: int = V
    width: int = 32


class PairModel(AutoregressiveModel):
    """The smallest model with an embedding, a hidden matrix, a vector and a head."""

    config_class = PairConfig

    def __init__(self, config):
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.hidden = nn.Linear(config.width, config.width)
        self.head = nn.Linear(config.width, config.vocab_size, bias=False)

    def symbol_layers(self):
        return (self.head,)

    def forward(self, tokens):
        return self.head(self.hidden(self.embedding(tokens)).relu())


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def model(seed=0):
    torch.manual_seed(seed)
    return PairModel(PairConfig())


def trainer(config=CONFIG, **options):
    return ARTrainer(model(), config=config, engine=Engine(device="cpu"), **options)


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.fixture
def text():
    """A chain that mostly goes one token up: there is something to learn."""
    steps = torch.randint(0, 10, (400,), generator=seeded()).clamp(max=1)
    return steps.cumsum(0) % V


def held_out(text):
    return lambda network: network.nll(text[None]).mean().item()


class Listener(Transformer):
    """Remembers how long its inputs were."""

    def forward(self, tokens, segments=None):
        self.heard = {*getattr(self, "heard", ()), tokens.shape[1]}
        return super().forward(tokens, segments)


@pytest.mark.parametrize(
    ("settings", "of_the_model", "expected"), [({}, 10, 10), ({}, 80, 80), ({"context": 6}, 10, 6)]
)
def test_windows_are_as_long_as_what_the_model_takes(text, settings, of_the_model, expected):
    """A GPT-2 of 256 positions, trained on windows of 64, lost .9 nats over its whole context."""
    sizes = TransformerConfig(V, context=of_the_model, n_layers=1, n_heads=1, width=8)
    config = ARTrainingConfig(n_tokens=100, batch_size=2, **settings)
    listener = Listener(sizes)
    train(listener, text, config=config, progress_bar=False)
    assert listener.heard == {expected}


def test_windows_of_a_model_that_takes_any_number_have_64_tokens(text):
    config = ARTrainingConfig(n_tokens=100, batch_size=2)
    result = train(model(), text, config=config, progress_bar=False)
    assert result.n_tokens == 2 * 64


def test_the_loss_is_the_mean_over_real_tokens(text):
    """Padding is worth nothing: the loss and the gradients are those of the sequences alone."""
    sequences = [text[:9], text[20:24]]
    batch = pad_sequences(sequences)
    player, network = trainer(), model()
    loss = player.step(batch, 0.5)["loss"]
    nll = torch.cat([network.nll(sequence[None])[0] for sequence in sequences])
    assert len(nll) == count_predictions(batch) == 8 + 3
    torch.testing.assert_close(loss, nll.mean().detach())
    nll.mean().backward()
    for ours, expected in zip(player.model.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_a_training_in_a_block_without_gradients_is_the_same(text, off):
    config = dataclasses.replace(CONFIG, ema_half_life=100.0)
    expected = train(model(), text, config=config, progress_bar=False)
    network = model()
    with off():
        found = train(network, text, config=config, progress_bar=False)
    assert torch.equal(weights(found.model), weights(expected.model))


class Stream:
    """Batches made elsewhere: the forms of the same three, again and again."""

    def __init__(self, batches):
        self.batches = itertools.cycle(batches)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.batches)

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def test_batches_of_a_data_loader_and_of_numpy_are_learned_alike():
    rows = torch.randint(V, (12, 9), generator=seeded())
    mask = torch.rand(12, 9, generator=seeded(1)) < 0.8

    def trained(batches):
        return weights(train(model(), Stream(batches), config=CONFIG, progress_bar=False).model)

    loader = DataLoader(TensorDataset(rows, mask), batch_size=4)
    expected = trained(zip(rows.split(4), mask.split(4), strict=True))
    assert isinstance(next(iter(loader)), list)
    assert torch.equal(trained(loader), expected)
    assert torch.equal(trained((x.int().numpy(), m.numpy()) for x, m in loader), expected)
    unmasked = trained(rows.split(4))
    for form in (Tensor.numpy, Tensor.tolist, lambda x: (x, None)):
        assert torch.equal(trained(form(x) for x in rows.split(4)), unmasked)
    with pytest.raises(ValueError, match="expected tokens as whole numbers"):
        trained([rows.float().numpy()])


def test_a_step_without_a_target_is_refused_and_moves_nothing(text):
    tokens, mask = pad_sequences([text[:9], text[20:24]])
    player = trainer(dataclasses.replace(CONFIG, ema_half_life=100.0))
    player.step((tokens, mask), 0.5)
    before = weights(player.model)
    for nothing in (mask & False, torch.arange(mask.shape[1]).lt(1) & mask):
        with pytest.raises(ValueError, match="a batch holds nothing to predict"):
            player.step((tokens, nothing), 0.5)
    assert torch.equal(weights(player.model), before)
    assert player.ema is not None
    assert player.ema.n_seen == 8 + 3


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"learning_rate_matrices": 0.0}, "learning_rate_matrices must be above 0"),
        ({"learning_rate_others": -0.1}, "learning_rate_others must be above 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0"),
        ({"warmup_tokens": -1}, "warmup_tokens must be at least 0"),
        ({"flat_until": 1.5}, "flat_until must be .* 1"),
        ({"final_learning_rate": 1.5}, "final_learning_rate must be .* 1"),
        ({"max_gradient_norm": 0.0}, "max_gradient_norm must be above 0"),
        ({"ema_half_life": 0.0}, "ema_half_life must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIG, **setting)


@pytest.mark.parametrize("every", [0, -64])
def test_a_validation_after_every_nothing_is_refused(text, every):
    with pytest.raises(ValueError, match="validate_every must be at least 1"):
        train(model(), text, validation=held_out(text), validate_every=every, progress_bar=False)


def test_what_counts_as_a_prediction():
    tokens, mask = torch.zeros(3, 7, dtype=torch.int64), torch.ones(3, 7, dtype=torch.bool)
    assert count_predictions(tokens) == 3 * 6
    assert count_predictions((tokens, mask)) == 3 * 6
    mask[1, 4:] = False
    assert count_predictions((tokens, mask, tokens)) == 6 + 3 + 6
    images, labels = torch.zeros(3, 4, 5, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)
    assert count_predictions((images, labels)) == 3 * 4 * 5


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_weight_decay_reaches_hidden_matrices_alone(optimizer):
    config = dataclasses.replace(
        CONFIG, optimizer=optimizer, learning_rate_matrices=0.5, weight_decay=0.3
    )
    player = trainer(config)
    before = {name: p.detach().clone() for name, p in player.model.named_parameters()}
    for parameter in player.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    player.optimizer.step()
    for name, parameter in player.model.named_parameters():
        factor = 1 - 0.5 * 0.3 if name == "hidden.weight" else 1.0
        torch.testing.assert_close(parameter.detach(), factor * before[name])


def test_muon_moves_a_hidden_matrix_in_all_directions_alike(text):
    """Its update is nearly orthogonal: singular values near the learning rate, or none."""
    player = trainer(dataclasses.replace(CONFIG, flat_until=1.0, warmup_tokens=0))
    before = player.model.hidden.weight.detach().clone()
    player.step(text[None, :200], 0.5)
    values = torch.linalg.svdvals(player.model.hidden.weight.detach() - before)
    assert values.max() < 1.5 * CONFIG.learning_rate_matrices
    assert values[V - 2] > 0.5 * CONFIG.learning_rate_matrices  # the gradient's rank is V - 1


def test_muon_moves_a_filter_bank_as_the_matrix_that_it_is():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = PixelCNN(PixelCNNConfig((6, 6), n_levels=2, width=8, n_layers=2))
    config = dataclasses.replace(CONFIG, flat_until=1.0, warmup_tokens=0)
    player = ARTrainer(network, config=config, engine=Engine(device="cpu"))
    filters = network.get_parameter("layers.0.vertical.weight")
    first = network.first_vertical.weight
    before, first_before = filters.detach().clone(), first.detach().clone()
    images = torch.randint(2, (8, 6, 6), generator=torch.Generator().manual_seed(0))
    player.step(images, 0.5)
    values = torch.linalg.svdvals((filters.detach() - before).flatten(1))
    assert values.max() < 1.5 * CONFIG.learning_rate_matrices
    assert values[:4].min() > 0.5 * CONFIG.learning_rate_matrices
    # What reads the levels is moved entry by entry, by AdamW.
    moved = (first.detach() - first_before).abs()
    assert moved.max() == pytest.approx(CONFIG.learning_rate_others, rel=0.01)


def test_learning_rates_follow_the_schedule(text):
    player = trainer()
    for progress, factor in ((0.0, 0.0), (0.3, 1.0), (1.0, CONFIG.final_learning_rate)):
        player.step(text[None, :9], progress)
        rates = [group["lr"] for o in player.optimizer.optimizers for group in o.param_groups]
        tops = [CONFIG.learning_rate_matrices, CONFIG.learning_rate_others]
        assert rates == pytest.approx([factor * top for top in tops])


def test_long_gradients_are_cut(text):
    player = trainer(dataclasses.replace(CONFIG, max_gradient_norm=1e-3))
    player.step(text[None, :9], 0.5)
    norm = torch.cat([p.grad.flatten() for p in player.model.parameters()]).norm()
    assert norm == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_the_chain_is_learned(text, optimizer):
    config = dataclasses.replace(CONFIG, n_tokens=20_000, optimizer=optimizer)
    result = train(model(), text, config=config, progress_bar=False)
    pairs = torch.bincount(text[:-1] * V + text[1:], minlength=V * V).view(V, V).float()
    entropy = -(pairs / pairs.sum() * (pairs / pairs.sum(1, keepdim=True)).clamp(min=1e-9).log())
    assert held_out(text)(result.model) == pytest.approx(entropy.sum().item(), abs=0.02)
    assert result.n_tokens == result.history["n_tokens"][-1] >= 20_000
    assert not result.model.training


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(text):
    same, again, other = (
        train(model(), text, config=CONFIG, seed=seed, progress_bar=False) for seed in (3, 3, 4)
    )
    assert torch.equal(weights(same.model), weights(again.model))
    assert not torch.equal(weights(same.model), weights(other.model))


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("kind", ["text", "rows with masks"])
def test_resuming_ends_with_the_same_bits(text, tmp_path, optimizer, kind):
    config = dataclasses.replace(CONFIG, optimizer=optimizer, ema_half_life=100.0)
    data = text if kind == "text" else pad_sequences(list(text.split(11)))

    def run(folder, tracker, n_updates=10_000):
        return train(
            model(),
            data,
            config=config,
            seed=5,
            validation=held_out(text),
            validate_every=200,
            checkpoint_folder=folder,
            checkpoint_every=100,
            tracker=tracker,
            progress_bar=False,
            engine=InterruptedEngine(n_updates),
        )

    whole_log, parts_log = (CsvTracker(tmp_path / name) for name in ("whole.csv", "parts.csv"))
    whole = run(tmp_path / "whole", whole_log)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", parts_log, n_updates=17)
    parts = run(tmp_path / "parts", parts_log)
    assert torch.equal(weights(whole.model), weights(parts.model))
    assert torch.equal(weights(whole.raw_model), weights(parts.raw_model))
    assert list(whole.history.rows()) == list(parts.history.rows())
    assert list(whole.validation.rows()) == list(parts.validation.rows())
    assert (tmp_path / "whole.csv").read_text() == (tmp_path / "parts.csv").read_text()


def test_a_checkpoint_of_another_run_is_refused(text, tmp_path):
    arguments: dict[str, Any] = {"checkpoint_folder": tmp_path / "c", "progress_bar": False}
    train(model(), text, config=CONFIG, **arguments)
    for name, value in (("momentum", 0.5), ("n_tokens", 9_000)):
        changed: dict[str, Any] = {name: value}
        with pytest.raises(ValueError, match=rf"its config\.{name} is .* and {value} is wanted"):
            train(model(), text, config=dataclasses.replace(CONFIG, **changed), **arguments)
    arguments["config"] = CONFIG
    with pytest.raises(ValueError, match="its seed is 0, and 1 is wanted"):
        train(model(), text, seed=1, **arguments)
    with pytest.raises(ValueError, match=r"its data .* is wanted"):
        train(model(), text.flip(0), **arguments)
    with pytest.raises(ValueError, match=r"its validation is None, and .*held_out.* is wanted"):
        train(model(), text, validation=held_out(text), validate_every=64, **arguments)
    with pytest.raises(ValueError, match=r"its initial weights \(build the models anew"):
        train(model(seed=1), text, **arguments)


class Backwards(PairModel):
    """Another model of the same configuration."""

    def forward(self, tokens):
        return super().forward(tokens).flip(-1)


def test_another_model_in_the_same_folder_is_refused(text, tmp_path):
    arguments: dict[str, Any] = {
        "config": CONFIG, "checkpoint_folder": tmp_path / "c", "progress_bar": False
    }  # fmt: skip
    train(model(), text, **arguments)
    other = model()
    other.__class__ = Backwards
    with pytest.raises(ValueError, match=r"its model's class is .*PairModel', and .*Backwards'"):
        train(other, text, **arguments)
    frozen = model()
    name, parameter = next(iter(frozen.named_parameters()))
    parameter.requires_grad_(False)
    with pytest.raises(ValueError, match=rf"frozen parameters is \[\], and \['{name}'\] is wanted"):
        train(frozen, text, **arguments)
    with pytest.raises(ValueError, match=r"its model's types is .*float32.*float64"):
        train(model().double(), text, **arguments)
    for name, tensor in model().state_dict().items():
        if not tensor.is_floating_point():
            continue
        changed = model()
        entry = changed.state_dict()[name]
        entry.copy_(entry.flip(0) if entry.flip(0).ne(entry).any() else entry + 0.5)
        with pytest.raises(ValueError, match=rf"before resuming\): model\.{name} is \["):
            train(changed, text, **arguments)


class Unnamed:
    """Batches that do not say of what."""

    def __init__(self, windows):
        self.windows = windows
        self.state_dict, self.load_state_dict = windows.state_dict, windows.load_state_dict

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.windows)


def test_batches_that_do_not_say_of_what_take_no_checkpoint(text, tmp_path):
    batches = Unnamed(TokenWindows(text, 8, 4, rng=seeded(7)))
    with pytest.raises(ValueError, match="Unnamed lacks identity"):
        train(model(), batches, config=CONFIG, checkpoint_folder=tmp_path, progress_bar=False)
    assert train(model(), batches, config=CONFIG, progress_bar=False).n_tokens >= CONFIG.n_tokens


@pytest.mark.parametrize("measured", [float("nan"), float("inf")])
def test_a_measure_that_is_not_finite_ends_the_run(text, measured):
    with pytest.raises(FloatingPointError, match="tokens the validation measured"):
        train(model(), text, config=CONFIG, validation=lambda model: measured, progress_bar=False)


def test_batches_of_other_data_or_another_seed_are_refused(text, tmp_path):
    def start(text, seed):
        windows = TokenWindows(text, 8, 4, rng=seeded(seed))
        train(model(), windows, config=CONFIG, checkpoint_folder=tmp_path, progress_bar=False)

    start(text, 7)
    with pytest.raises(ValueError, match="its seed of the batches is 7, and 8 is wanted"):
        start(text, 8)
    with pytest.raises(ValueError, match=r"its data .* is wanted"):
        start(text.flip(0), 7)


def test_the_best_weights_are_kept(text):
    """A validation that finds the model ever worse makes the first weights the result."""
    seen, losses = [], iter([1.0, 2.0, 3.0, 4.0])

    def worse_and_worse(network):
        assert not network.training
        seen.append(weights(network))
        return next(losses)

    result = train(
        model(), text, config=CONFIG, validation=worse_and_worse, validate_every=250,
        progress_bar=False,
    )  # fmt: skip
    assert result.validation["nll"] == [1.0, 2.0, 3.0, 4.0]
    assert result.validation["n_tokens"] == [256, 512, 768, 960]
    assert torch.equal(weights(result.model), seen[0])
    assert not torch.equal(weights(result.raw_model), seen[0])


def test_the_average_is_the_result(text):
    config = dataclasses.replace(CONFIG, ema_half_life=500.0)
    averaged = train(model(), text, config=config, progress_bar=False)
    last = train(model(), text, config=CONFIG, progress_bar=False)
    assert torch.equal(weights(averaged.raw_model), weights(last.model))
    assert not torch.equal(weights(averaged.model), weights(last.model))
    assert (weights(averaged.model) - weights(last.model)).abs().max() < 0.5


def test_images_are_learned_by_the_same_trainer():
    """Two classes, black and white: told the class, the model knows every pixel."""
    labels = torch.arange(2).repeat(8)
    levels = labels[:, None, None].expand(-1, 3, 3).contiguous()
    torch.manual_seed(0)
    network = PixelCNN(
        PixelCNNConfig((3, 3), width=8, n_layers=1, first_kernel_size=3, n_classes=2)
    )
    config = ARTrainingConfig(
        n_tokens=60 * 16 * 9,
        batch_size=16,
        optimizer="adamw",
        learning_rate_matrices=0.01,
        warmup_tokens=0,
    )
    result = train(network, (levels, labels), config=config, progress_bar=False)
    assert result.history["n_tokens"][:2] == [16 * 9, 2 * 16 * 9]
    assert result.history["loss"][0] > 0.3
    assert result.model.nll(levels, labels).mean() < 0.02


def test_batches_may_come_from_elsewhere(text):
    windows = TokenWindows(text, 8, 4, rng=seeded(7))
    own = train(model(), text, config=CONFIG, seed=7, progress_bar=False)
    given = train(model(), windows, config=CONFIG, progress_bar=False)
    assert torch.equal(weights(own.model), weights(given.model))


def test_frozen_layers_and_sleeping_parts_stay_so(text):
    network = model()
    network.embedding.requires_grad_(False)
    network.hidden.eval()
    before = network.embedding.weight.detach().clone()
    modes = []

    def validation(network):
        modes.append(network.training)
        return held_out(text)(network)

    config = dataclasses.replace(CONFIG, ema_half_life=100.0)
    player = ARTrainer(network, config=config, engine=Engine(device="cpu"), validation=validation)
    for _ in range(2):
        player.step(text[None, :40], 0.5)
        player.validate(0)
    assert modes == [False, False]
    assert torch.equal(network.embedding.weight, before)
    assert network.training
    assert not network.hidden.training
    flags = [parameter.requires_grad for parameter in player.trained_model().parameters()]
    assert flags == [parameter.requires_grad for parameter in network.parameters()]
    assert flags.count(False) == 1


def test_validation_of_the_model_itself_restores_each_parts_mode(text):
    network = model()
    network.hidden.eval()
    player = ARTrainer(
        network, config=CONFIG, engine=Engine(device="cpu"), validation=held_out(text)
    )
    player.validate(0)
    assert [m.training for m in network.modules()] == [True, True, False, True]


def test_a_model_compiled_in_place_is_trained(text):
    compiled = model()
    compiled.compile(backend="eager")
    config = dataclasses.replace(CONFIG, n_tokens=64, ema_half_life=100.0)
    result = train(compiled, text, config=config, progress_bar=False)
    plain = train(model(), text, config=config, progress_bar=False)
    torch.testing.assert_close(weights(result.model), weights(plain.model))


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_in_lower_precision_the_model_computes_in_it_and_the_loss_does_not(text, precision, dtype):
    dtypes, losses, gradients = [], [], []
    for name in ("no", precision):
        network = model()
        engine = Engine(device="cpu", mixed_precision=name)
        player = ARTrainer(network, config=CONFIG, engine=engine)
        network.head.register_forward_hook(lambda *call: dtypes.append(call[2].dtype))
        losses.append(player.step(text[None, :200], 0.5)["loss"])
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    assert dtypes == [torch.float32, dtype]
    assert losses[1].dtype == torch.float32
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-2, atol=0)
    assert (gradients[1] - gradients[0]).norm() < 0.02 * gradients[0].norm()


def test_likelihoods_of_half_a_precision_are_added_up_in_full(text):
    """Added up in bfloat16, the sum of many stops growing."""

    class Half(PairModel):
        def nll(self, *rows):
            return super().nll(*rows).bfloat16()

    network = model()
    network.__class__ = Half
    player = ARTrainer(network, config=CONFIG, engine=Engine(device="cpu"))
    expected = network.nll(text[None, :200]).float().mean().detach()
    loss = player.step(text[None, :200], 0.5)["loss"]
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("mean", [lambda nll: nll.mean(), lambda nll: nll.mean(dim=1)])
def test_a_mean_is_not_taken_for_the_losses_of_all_tokens(text, mean):
    """Divided once more by the number of tokens, it would be recorded as a small part of itself."""

    class Own(PairModel):
        def nll(self, *rows):
            return mean(super().nll(*rows))

    with pytest.raises(
        ValueError, match=r"Own.nll returned .* expected .* \(4, 8\), 0 where a mask"
    ):
        train(Own(PairConfig()), text, config=CONFIG, progress_bar=False)


def test_a_single_sequence_is_no_batch(text):
    player = ARTrainer(model(), config=CONFIG, engine=Engine(device="cpu"))
    with pytest.raises(
        ValueError, match=r"expected a batch, .* got the shape \(9,\); .*tokens\[None"
    ):
        player.step(text[:9], 0.5)


def test_a_capped_logit_is_computed_in_full_precision(text):
    """In bfloat16 a logit near the cap has three digits, and its likelihood two."""
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(V, n_layers=1, n_heads=1, width=8, logit_cap=15.0))
    with Engine(device="cpu", mixed_precision="bf16").autocast():
        logits = network(text[None, :9])
        nll = network.nll(text[None, :9])
    assert logits.dtype == nll.dtype == torch.float32
