"""What is refused, and what is converted, at every door where data come to a model."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from aigc_tutorial.ar import (
    ARTrainingConfig,
    AutoregressiveModel,
    FrameModel,
    NGramConfig,
    NGramModel,
    PixelCNN,
    PixelCNNConfig,
    SamplingConfig,
    Transformer,
    TransformerConfig,
    beam_search,
    generate,
    speculative_generate,
    stream,
    train,
)
from aigc_tutorial.ar.checks import (
    as_segments,
    as_training_data,
    check_predictions,
    check_trainable,
)
from aigc_tutorial.ar.generation import pixels
from aigc_tutorial.ar.generation.sampling import (
    apply_temperature,
    draw,
    keep_top_p,
    process,
    sample,
)
from aigc_tutorial.ar.models.frames import _as_ink
from aigc_tutorial.data.batches.levels import binarise, dequantise, quantise
from aigc_tutorial.data.batches.tokens import TokenWindows, pack_sequences, pad_sequences
from aigc_tutorial.evaluation.likelihood import sequence_likelihood, text_likelihood
from aigc_tutorial.integers import as_count
from tests.ar.checks import random_tokens, randomize
from tests.ar.small_models import NAMES, V, make

INF, NAN = math.inf, math.nan
GREEDY = SamplingConfig(temperature=0)
CONFIG = ARTrainingConfig(n_tokens=100, batch_size=2, context=3, optimizer="adamw")
PROMPT = [1, 2, 3]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pixelcnn(**settings):
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "image_shape": (4, 3),
        "width": 6,
        "n_layers": 1,
        "first_kernel_size": 3,
    }
    return PixelCNN(PixelCNNConfig(**(sizes | settings)))


# ---- What is no distribution ----

NO_DISTRIBUTION = [[0.0, NAN, 1.0], [NAN] * 3, [0.0, INF, 1.0], [-INF] * 3]


@pytest.mark.parametrize("config", [SamplingConfig(), GREEDY, SamplingConfig(temperature=0.5)])
@pytest.mark.parametrize("bad", NO_DISTRIBUTION)
def test_no_token_is_drawn_from_what_is_no_distribution(bad, config):
    logits = torch.tensor([[0.0, 1.0, 2.0], bad])
    with pytest.raises(ValueError, match="the model's logits are"):
        sample(logits, config)
    assert sample(logits[:1], config).shape == (1,)
    assert sample(torch.tensor([-INF, -3.0, -INF]), config) == 1


@pytest.mark.parametrize("bad", [[NAN, 0.5], [0.0, 0.0]])
def test_no_token_is_drawn_without_a_positive_probability(bad):
    with pytest.raises(ValueError, match="the model's logits are"):
        draw(torch.tensor([[0.5, 0.5], bad]))


class Turns(AutoregressiveModel):
    """Its logits are sound up to a length, and from then on all the given number."""

    config_class = SamplingConfig
    vocab_size = 3

    def __init__(self, length, bad):
        super().__init__(SamplingConfig())
        self.anchor = nn.Parameter(torch.zeros(()))
        self.length, self.bad = length, bad

    def forward(self, tokens):
        logits = torch.zeros(*tokens.shape, 3)
        logits[:, self.length :] = self.bad
        return logits


@pytest.mark.parametrize("bad", [NAN, -INF, INF])
@pytest.mark.parametrize("config", [SamplingConfig(), GREEDY])
def test_a_model_is_stopped_at_any_read_and_not_at_the_first_alone(bad, config):
    model, prompt = Turns(6, bad), torch.tensor([0, 1])
    steps = stream(model, prompt, max_new_tokens=9, config=config)
    for _ in range(5):
        next(steps)
    with pytest.raises(ValueError, match="the model's logits are"):
        next(steps)
    with pytest.raises(ValueError, match="the model's logits are"):
        beam_search(model, prompt, max_new_tokens=9, n_beams=3)
    for target, draft in ((model, Turns(99, 0.0)), (Turns(99, 0.0), model)):
        with pytest.raises(ValueError, match="the model's logits are"):
            speculative_generate(target, draft, prompt, max_new_tokens=9, config=config)


@pytest.mark.parametrize("temperature", [1e-45, 1e-39, 1e-30, 1e-4])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_tiny_temperature_takes_the_most_probable_token(temperature, dtype):
    logits = torch.tensor([[60.0, -20.0, 59.0], [-9.0, -8.0, -INF]], dtype=dtype)
    config = SamplingConfig(temperature=temperature)
    assert sample(logits, config, rng=seeded()).tolist() == [0, 1]
    assert apply_temperature(logits, temperature).softmax(-1).isfinite().all()
    levels = pixels.choose_levels(logits, torch.tensor([0.99, 0.99]), temperature=temperature)
    assert levels.tolist() == [0, 1]
    torch.set_flush_denormal(True)
    try:
        assert sample(logits, config, rng=seeded()).tolist() == [0, 1]
    finally:
        torch.set_flush_denormal(False)


def test_half_precision_is_not_too_coarse_for_a_nucleus():
    """4,000 equal tokens: added up in half precision, the sum stops growing far below 1."""
    logits = torch.zeros(4_000, dtype=torch.bfloat16)
    config = SamplingConfig(top_p=0.5)
    kept = (process(logits, config) > -INF).sum().item()
    assert kept == pytest.approx(2_000, abs=2)
    assert kept == (keep_top_p(logits.float(), 0.5) > -INF).sum().item()


@pytest.mark.parametrize("temperature", [NAN, INF, -1.0])
def test_no_image_is_drawn_at_what_is_no_temperature(temperature):
    for way in (pixels.sample, pixels.stream, PixelCNN.sample, PixelCNN.sample_naively):
        with pytest.raises(ValueError, match="temperature must be a finite number"):
            way(pixelcnn(), 2, temperature=temperature)
    with pytest.raises(ValueError, match="temperature must be a finite number"):
        pixels.choose_levels(torch.zeros(1, 2), torch.zeros(1), temperature=temperature)


@pytest.mark.parametrize("temperature", [0, 0.5, 1.0])
def test_no_image_is_drawn_from_weights_that_are_not_numbers(temperature):
    model = pixelcnn()
    with torch.no_grad():
        model.head[-1].weight[0, 0] = NAN
    for draw_images in (model.sample, model.sample_naively):
        with pytest.raises(ValueError, match=r"logits are not numbers \(NaN\)"):
            draw_images(2, temperature=temperature)


def test_no_film_goes_on_from_weights_that_are_not_numbers():
    model = FrameModel()
    model.output.register_parameter("bias", nn.Parameter(torch.full((4,), NAN)))
    with pytest.raises(ValueError, match=r"logits are not numbers \(NaN\)"):
        model.continue_films(torch.zeros(1, 2, 4, 4), 1)


@pytest.mark.parametrize("n", [0, -5, True])
def test_numbers_of_things_are_counts(n):
    model, prompt = make("window"), torch.tensor(PROMPT)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        pixels.sample(pixelcnn(), 3, batch_size=n)
    with pytest.raises(ValueError, match="n must be at least 1"):
        pixels.sample(pixelcnn(), n)
    with pytest.raises(ValueError, match="max_new_tokens must be at least 1"):
        generate(model, prompt, max_new_tokens=n)
    with pytest.raises(ValueError, match="n_beams must be at least 1"):
        beam_search(model, prompt, max_new_tokens=1, n_beams=n)
    with pytest.raises(ValueError, match="n_guesses must be at least 1"):
        speculative_generate(model, model, prompt, max_new_tokens=1, n_guesses=n)
    with pytest.raises(ValueError, match="n_frames must be at least 1"):
        FrameModel().continue_films(torch.zeros(1, 2, 4, 4), n)


def test_a_count_is_a_whole_number():
    for count in (3, np.int64(3)):
        assert as_count(count, "n") == 3
    for wrong in (3.0, "3", None, NAN):
        with pytest.raises(ValueError, match="n must be at least 1, a whole number, got"):
            as_count(wrong, "n")


# ---- Tokens ----

WRONG_TOKENS = [
    (torch.tensor([[0.0, 1.0, 2.0]]), "expected .* as whole numbers"),
    (np.array([[0.5, 1.0, 2.0]]), "expected .* as whole numbers"),
    (torch.tensor([[True, False, True]]), "expected .* as whole numbers"),
    ([[0, 1, V]], r"tokens must lie in 0 … 6, got 0 … 7"),
    ([[0, -1, 2]], r"tokens must lie in 0 … 6, got -1 … 2"),
    ([[0, 1, -100]], r"tokens must lie in 0 … 6, got -100 … 1"),
    ("to be", "expected .* as whole numbers"),
]


@pytest.mark.parametrize(("tokens", "message"), WRONG_TOKENS)
@pytest.mark.parametrize("name", NAMES)
def test_wrong_tokens_are_refused_at_every_door(name, tokens, message):
    model = make(name)
    row = tokens if isinstance(tokens, str) else tokens[0]
    doors = [
        lambda: model.nll(tokens),
        lambda: model.generate(tokens, max_new_tokens=1),
        lambda: stream(model, tokens, max_new_tokens=1),
        lambda: beam_search(model, row, max_new_tokens=1, n_beams=1),
        lambda: speculative_generate(model, make("window"), row, max_new_tokens=1),
        lambda: text_likelihood(model, row, context=2),
        lambda: sequence_likelihood(model, tokens),
        lambda: as_training_data(model, row),
        lambda: as_training_data(model, (tokens,)),
    ]
    for door in doors:
        with pytest.raises(ValueError, match=message):
            door()


@pytest.mark.parametrize(("tokens", "message"), WRONG_TOKENS)
def test_wrong_tokens_are_not_counted(tokens, message):
    with pytest.raises(ValueError, match=message):
        NGramModel(NGramConfig(V)).fit(tokens)


@pytest.mark.parametrize("name", NAMES)
def test_whole_numbers_are_taken_from_whatever_holds_them(name):
    model = make(name)
    tokens = random_tokens(model, batch=2, time=4)
    nll = model.nll(tokens)
    written = model.generate(tokens, max_new_tokens=3, config=GREEDY)
    for same in (tokens.int(), tokens.to(torch.uint8), tokens.numpy(), tokens.tolist()):
        assert torch.equal(model.nll(same), nll)
        assert torch.equal(model.generate(same, max_new_tokens=3, config=GREEDY), written)
        beam, expected = (
            beam_search(model, prompt[0], max_new_tokens=2, n_beams=2, stop_tokens=stops)
            for prompt, stops in ((same, np.array([3])), (tokens, [3]))
        )
        assert [b.tokens.tolist() for b in beam] == [b.tokens.tolist() for b in expected]
        text = text_likelihood(model, same[0], context=3)
        assert text == text_likelihood(model, tokens[0], context=3)


def test_loaders_take_whole_numbers_and_nothing_else():
    windows = TokenWindows(np.arange(50, dtype=np.int32), 5, 2, rng=seeded())
    assert next(windows).dtype == torch.int64
    for put in (pad_sequences, lambda sequences: pack_sequences(sequences, 4)):
        assert put([[1, 2], np.array([3, 4, 5])])[0].dtype == torch.int64
        with pytest.raises(ValueError, match="expected a sequence as whole numbers"):
            put([torch.tensor([0.5, 1.0])])
        with pytest.raises(ValueError, match="each sequence as a vector of tokens"):
            put([torch.zeros(2, 3, dtype=torch.int64)])
    with pytest.raises(ValueError, match="expected tokens as whole numbers"):
        TokenWindows(torch.zeros(50), 5, 2, rng=seeded())
    with pytest.raises(ValueError, match=r"one long text of shape \(N,\)"):
        TokenWindows(torch.zeros(50, 2, dtype=torch.int64), 5, 2, rng=seeded())


# ---- Masks and segments ----


@pytest.mark.parametrize(
    "mask",
    [torch.ones(2, 4, dtype=torch.int64), torch.ones(2, 4), np.ones((2, 4)), [[1] * 4, [1] * 4]],
)
def test_a_mask_that_is_not_boolean_is_refused_and_not_taken_for_none(mask):
    model = make("transformer")
    tokens = random_tokens(model, batch=2, time=4)
    doors = [
        lambda: model.check_rows(tokens, mask),
        lambda: sequence_likelihood(model, (tokens, mask)),
        lambda: as_training_data(model, (tokens, mask)),
    ]
    for door in doors:
        with pytest.raises(ValueError, match=r"expected a boolean mask.* mask.bool\(\)"):
            door()


def test_a_mask_of_numpy_or_in_lists_is_a_mask():
    model: Any = make("transformer")
    tokens = random_tokens(model, batch=2, time=5)
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    expected = sequence_likelihood(model, (tokens, mask))
    for same in (mask.numpy(), mask.tolist()):
        assert sequence_likelihood(model, (tokens.numpy(), same)) == expected
    with pytest.raises(ValueError, match="equally long lists of truth values"):
        model.check_rows(tokens, [[True], [True, False]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_a_likelihood_in_half_precision_is_rounded_in_the_network_alone(name, dtype):
    """The probabilities of all that can come next add up to 1."""
    model = make(name).to(dtype)
    every = torch.arange(model.vocab_size)[:, None]
    tokens = torch.cat([torch.tensor(PROMPT).expand(len(every), -1), every], dim=1)
    last = model.nll(tokens)[:, -1].detach()
    assert float(last.double().neg().exp().sum()) == pytest.approx(1, abs=1e-6)


def test_masks_and_segments_must_fit_the_tokens():
    model: Any = make("transformer")
    tokens = random_tokens(model, batch=2, time=4)
    mask, segments = torch.ones(2, 3, dtype=torch.bool), torch.ones(2, 4)
    with pytest.raises(ValueError, match=r"mask of the tokens' shape \(2, 4\), got \(2, 3\)"):
        model.check_rows(tokens, mask)
    with pytest.raises(ValueError, match="expected segments as whole numbers"):
        model.check_rows(tokens, None, segments)
    with pytest.raises(ValueError, match=r"segments of the tokens' shape"):
        as_segments(segments[:1].long(), tokens.shape)
    segments = torch.tensor([[1, 1, 2, 2], [1, 1, 1, 1]], dtype=torch.int32)
    with pytest.raises(ValueError, match="the mask is True at the first token of a segment"):
        model.nll(tokens, torch.ones(2, 4, dtype=torch.bool), segments)
    assert model.nll(tokens, None, segments)[0, 1] == 0


def test_padding_of_packed_rows_is_not_predicted_without_a_mask_either():
    model: Any = make("transformer")
    tokens, mask, segments = pack_sequences([torch.tensor(PROMPT), torch.tensor([4, 5])], 7)
    assert torch.equal(model.check_rows(tokens, None, segments)[1][:, 1:], mask[:, 1:])
    assert torch.equal(model.nll(tokens, None, segments), model.nll(tokens, mask, segments))
    found, expected = (sequence_likelihood(model, (tokens, m, segments)) for m in (None, mask))
    assert found == expected
    assert found.n_predictions == 3


def test_packed_rows_are_learned_alike_with_and_without_their_mask():
    sequences = list(torch.randint(1, V, (16, 4), generator=seeded()))
    tokens, mask, segments = pack_sequences(sequences, 7)
    config = dataclasses.replace(CONFIG, n_tokens=200)
    losses = []
    for given in (mask, None):
        model = make("transformer")
        data: Any = (tokens, given, segments)
        losses.append(list(train(model, data, config=config, progress_bar=False).history["loss"]))
    assert losses[0] == losses[1]


def test_segments_that_are_counted_from_0_need_a_mask():
    model: Any = make("transformer")
    tokens = random_tokens(model, batch=2, time=4)
    segments = torch.tensor([[0, 0, 1, 1], [0, 0, 0, 1]])
    with pytest.raises(ValueError, match="number the sequences 1, 2, …, or give a mask"):
        model.nll(tokens, None, segments)
    mask = torch.tensor([[False, True, False, True], [False, True, True, False]])
    assert torch.equal(model.nll(tokens, mask, segments) != 0, mask[:, 1:])
    with pytest.raises(ValueError, match="nothing to predict"):
        as_training_data(model, (tokens, None, 0 * segments))


def rows_with_an_empty_one():
    tokens = torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0], [1, 1, 2, 2]])
    mask = torch.tensor([[True] * 4, [True, False, False, False], [True, True, False, False]])
    return tokens, mask


def test_rows_with_nothing_to_predict_do_not_count():
    tokens, mask = rows_with_an_empty_one()
    kept = as_training_data(make("window"), (tokens, mask))
    assert torch.equal(kept[0], tokens[[0, 2]])
    assert torch.equal(kept[1], mask[[0, 2]])
    # Batches of one row: today's empty row would be a batch of its own.
    config = dataclasses.replace(CONFIG, n_tokens=20, batch_size=1)
    result = train(make("window"), (tokens, mask), config=config, progress_bar=False)
    assert all(p.isfinite().all() for p in result.model.parameters())
    assert all(math.isfinite(loss) for loss in result.history["loss"])


def test_data_without_anything_to_predict_are_refused():
    tokens, mask = rows_with_an_empty_one()
    with pytest.raises(ValueError, match="nothing to predict: the mask is False everywhere"):
        train(make("window"), (tokens[1:2], mask[1:2]), config=CONFIG, progress_bar=False)
    with pytest.raises(ValueError, match="two tokens or more"):
        train(make("window"), tokens[:, :1], config=CONFIG, progress_bar=False)
    with pytest.raises(ValueError, match="a batch holds nothing to predict"):
        check_predictions(0)
    with pytest.raises(ValueError, match="the mask leaves no token to predict"):
        NGramModel(NGramConfig(V)).fit(tokens[1:2], mask[1:2])
    for nothing in ([3], torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3, dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"nothing to count|with time at least 1"):
            NGramModel(NGramConfig(V)).fit(nothing)


class OneByOne:
    """A data set as torch has them, which is no training data: it would be read image by image."""

    def __len__(self):
        return 10**9

    def __getitem__(self, i):
        raise AssertionError("nothing shall be read")


@pytest.mark.parametrize("data", [OneByOne(), {"tokens": [1, 2]}, None, {1, 2}, 0.5])
def test_what_is_no_training_data_is_refused_unread(data):
    for model in (make("window"), pixelcnn()):
        with pytest.raises(ValueError, match=r"expected a text or rows .*, got \w+; of a data set"):
            as_training_data(model, data)


def test_what_belongs_together_comes_in_a_tuple():
    tokens = torch.ones(2, 3, dtype=torch.int64)
    for data in ([tokens, tokens > 0], [tokens.numpy(), None], list(tokens)):
        with pytest.raises(ValueError, match=r"come in a tuple, \(tokens, mask\)"):
            as_training_data(make("window"), data)


def test_training_data_have_the_form_that_the_model_learns_from():
    text = torch.arange(50) % 2
    with pytest.raises(ValueError, match=r"expected levels of shape \(batch, 4, 3\), got \(50,\)"):
        train(pixelcnn(), text, config=CONFIG, progress_bar=False)
    with pytest.raises(ValueError, match=r"expected tokens as whole numbers, .*equally long lists"):
        as_training_data(make("window"), [[1, 2], [3]])
    for parts in ((), (text, text, text, text)):
        with pytest.raises(ValueError, match=rf"a tuple of {len(parts)} is not what WindowModel"):
            train(make("window"), parts, config=CONFIG, progress_bar=False)
    rows = pack_sequences([torch.tensor(PROMPT)], 7)
    for door in (as_training_data, sequence_likelihood):
        with pytest.raises(ValueError, match="a tuple of 3 is not what WindowModel takes"):
            door(make("window"), rows)


def test_a_model_that_cannot_be_trained_is_refused():
    text = torch.arange(50) % V
    with pytest.raises(ValueError, match=r"NGramModel has no parameters to train: .* model\.fit"):
        train(make("n-gram"), text, config=CONFIG, progress_bar=False)
    with pytest.raises(ValueError, match="no parameters to train: all are frozen"):
        train(make("window").requires_grad_(False), text, config=CONFIG, progress_bar=False)
    with pytest.raises(ValueError, match="on the meta device, which holds no values"):
        train(make("window").to("meta"), text, config=CONFIG, progress_bar=False)
    with pytest.raises(ValueError, match="FrameModel has no check_rows"):
        check_trainable(FrameModel())


def test_a_validation_returns_a_number():
    def forgets_to_return(model: Any) -> Any:
        model.eval()

    data = torch.arange(50) % V
    with pytest.raises(ValueError, match=r"validation must return .* a number, got NoneType"):
        train(make("window"), data, config=CONFIG, validation=forgets_to_return, progress_bar=False)


# ---- Images ----


def test_grey_levels_are_whole_numbers():
    model = pixelcnn()
    images = torch.rand(2, 4, 3, generator=seeded())
    levels = (images > 0.5).long()
    doors = [
        model.nll,
        lambda wrong: sequence_likelihood(model, wrong),
        lambda wrong: as_training_data(model, wrong),
        lambda wrong: pixels.sample(model, 2, given=wrong, n_given_rows=1),
    ]
    for door in doors:
        for wrong in (images, images.double().numpy()):
            with pytest.raises(ValueError, match=r"expected levels as whole numbers.*quantise"):
                door(wrong)
        with pytest.raises(ValueError, match=r"levels must lie in 0 … 1, got 0 … 2"):
            door(levels * 2)
    black_and_white = levels.bool()
    truths = (black_and_white, black_and_white.numpy(), black_and_white.tolist())
    for same in (levels.int(), levels.to(torch.uint8), levels.numpy(), levels.tolist(), *truths):
        assert torch.equal(model.nll(same), model.nll(levels))
        completed = pixels.sample(model, 2, given=same, n_given_rows=4)
        assert torch.equal(completed, levels)
    with pytest.raises(ValueError, match="expected levels as whole numbers"):
        dequantise(images, 2)
    with pytest.raises(ValueError, match="2 images are to be drawn and 1 are given"):
        pixels.sample(model, 2, given=levels[:1], n_given_rows=1)


def test_films_are_scored_from_whatever_holds_them():
    films = torch.rand(3, 4, 4, 4, generator=seeded()).round()
    model = FrameModel()
    expected = sequence_likelihood(model, films)
    assert expected.nats_per_token == pytest.approx(16 * math.log(2), rel=1e-5)
    assert expected.n_predictions == 3 * 2
    for same in (films.numpy(), films.double().numpy(), films.tolist(), list(films)):
        assert sequence_likelihood(model, same, batch_size=2).nats == pytest.approx(expected.nats)


def test_labels_are_whole_numbers():
    model, levels = pixelcnn(n_classes=3), torch.zeros(2, 4, 3, dtype=torch.int64)
    for wrong in (torch.tensor([0.0, 1.0]), torch.tensor([True, False])):
        for door in (lambda x: model.nll(levels, x), lambda x: model.sample(2, x)):
            with pytest.raises(ValueError, match="expected labels as whole numbers"):
                door(wrong)
    labels = torch.tensor([0, 2])
    drawn = model.sample(2, labels, rng=seeded())
    for same in (labels.int(), labels.numpy(), [0, 2]):
        assert torch.equal(model.sample(2, same, rng=seeded()), drawn)
        assert torch.equal(model.nll(levels, same), model.nll(levels, labels))


def test_films_are_shares_of_ink():
    model, films = FrameModel(), torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match=r"got values in -1 … -1; images in \[-1, 1\] become such"):
        model.nll(films - 1)
    # Called itself: the shape checks of the tests would refuse these films first.
    with pytest.raises(ValueError, match="expected films as floating-point numbers"):
        _as_ink(films.long(), films)
    with pytest.raises(ValueError, match=r"a single film needs a batch of its own: film\[None\]"):
        _as_ink(films[0], films)
    with pytest.raises(ValueError, match="expected the first 2 frames, got 3"):
        model.continue_films(films, 1)


def test_films_come_in_any_floating_point_type():
    model = randomize(FrameModel(), scale=0.1)
    films = torch.randint(2, (2, 3, 4, 4), generator=seeded()).float()
    nll, made = model.nll(films), model.continue_films(films[:, :2], 3, rng=seeded())
    for same in (films.double(), films.half(), films.bfloat16(), films.double().numpy()):
        assert torch.equal(model.nll(same), nll)
        assert torch.equal(model.continue_films(same[:, :2], 3, rng=seeded()), made)
    model.double()
    assert model.nll(films).dtype == torch.float64


def test_grey_values_are_numbers():
    for make_levels in (
        lambda images: quantise(images, 2),
        lambda images: binarise(images, rng=seeded()),
    ):
        for wrong in (NAN, float("inf")):
            with pytest.raises(ValueError, match="images holds 1 entries that are NaN"):
                make_levels(torch.tensor([0.0, wrong]))
        with pytest.raises(
            ValueError, match=r"images must be floating point numbers, got .*pixels_to_images"
        ):
            make_levels(torch.zeros(2, 3, dtype=torch.uint8))
        for dark in (torch.zeros(4, 2, 2), torch.rand(4, 2, 2) - 1e-6):
            with pytest.raises(ValueError, match=r"2 \* images - 1"):
                make_levels(dark)
        grey = 2 * torch.rand(4, 2, 2) - 1
        assert torch.equal(make_levels(grey.numpy()), make_levels(grey))
    with pytest.raises(ValueError, match=r"must lie in \[-1, 1\].*0 to 255"):
        binarise(torch.tensor([0.0, 20.0, 255.0]), rng=seeded())
    # A fraction is refused too, but the shape checks of the tests would be first.
    with pytest.raises(ValueError, match="n_levels must be at least 2, a whole number"):
        quantise(torch.zeros(3), True)


# ---- Exported ----


@pytest.mark.parametrize("name", ["transformer", "transformer, tied, shifted", "gpt-2", "window"])
def test_forward_can_be_exported_for_any_batch(name):
    model = make(name)
    tokens = random_tokens(model, batch=3, time=5)
    exported = torch.export.export(
        model, (tokens,), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    other = random_tokens(model, batch=7, time=5, seed=1)
    torch.testing.assert_close(exported.module()(other), model(other))


@pytest.mark.parametrize("settings", [{}, {"n_classes": 3}])
def test_pixelcnns_forward_can_be_exported_for_any_batch(settings):
    model = randomize(pixelcnn(**settings))

    def inputs(n):
        levels = torch.randint(2, (n, 4, 3), generator=seeded(n))
        return (levels, torch.arange(n) % 3) if settings else (levels,)

    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} for _ in inputs(3))
    exported = torch.export.export(model, inputs(3), dynamic_shapes=shapes)
    torch.testing.assert_close(exported.module()(*inputs(5)), model(*inputs(5)))


# ---- Other conditions ----


@pytest.mark.parametrize("name", NAMES)
def test_under_another_default_type_everything_works(name):
    torch.set_default_dtype(torch.float64)
    try:
        model = make(name)
        tokens = random_tokens(model, batch=2, time=4)
        engine, naive = (
            way(tokens, max_new_tokens=9, rng=seeded())
            for way in (model.generate, model.generate_naively)
        )
        assert torch.equal(engine, naive)
        assert len(beam_search(model, PROMPT, max_new_tokens=3, n_beams=2)) == 2
        assert math.isfinite(sequence_likelihood(model, tokens).nats)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_pixelcnn_under_another_default_type_draws_the_images_of_its_naive_loop():
    torch.set_default_dtype(torch.float64)
    try:
        model = pixelcnn()
        engine, naive = (way(2, rng=seeded()) for way in (model.sample, model.sample_naively))
        assert torch.equal(engine, naive)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_what_a_seed_draws_does_not_depend_on_the_default_type(dtype):
    """In bfloat16 there are 256 uniform numbers, and what is rarer than one of them never comes."""
    images, target, draft = pixelcnn(), make("transformer"), make("window")
    films, beginnings = randomize(FrameModel()), torch.zeros(3, 2, 8, 8)

    def drawn():
        return (
            images.sample(40, rng=seeded()),
            speculative_generate(target, draft, PROMPT, max_new_tokens=60, rng=seeded()).tokens,
            films.continue_films(beginnings, 4, rng=seeded()),
        )

    expected = drawn()
    torch.set_default_dtype(dtype)
    try:
        found = drawn()
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_models_of_another_type_generate(dtype):
    model = make("transformer").to(dtype)
    assert model.generate(PROMPT, max_new_tokens=9, rng=seeded()).shape == (12,)
    assert len(beam_search(model, PROMPT, max_new_tokens=3, n_beams=2)) == 2
    spoken = speculative_generate(model, make("window"), PROMPT, max_new_tokens=9)
    assert spoken.tokens.shape == (12,)


def test_a_compiled_model_generates():
    model = randomize(Transformer(TransformerConfig(V, 6, n_layers=1, n_heads=1, width=8)))
    compiled: Any = torch.compile(model, backend="eager")
    expected = model.generate(PROMPT, max_new_tokens=5, config=GREEDY)
    assert torch.equal(compiled.generate(PROMPT, max_new_tokens=5, config=GREEDY), expected)


def test_two_streams_of_one_model_do_not_disturb_each_other():
    model = make("gpt-2")
    alone = model.generate(PROMPT, max_new_tokens=15, rng=seeded())[3:].tolist()
    first, second = (stream(model, PROMPT, max_new_tokens=15, rng=seeded()) for _ in range(2))
    pairs = [(int(a), int(b)) for a, b in zip(first, second, strict=True)]
    assert pairs == [(token, token) for token in alone]
