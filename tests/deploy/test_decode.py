"""The fast writer writes what the model writes."""

import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from aigc_tutorial import ar, deploy, zoo
from aigc_tutorial.deploy.decode import _chooser
from aigc_tutorial.deploy.steps import step_of
from tests.ar import small_models
from tests.ar.checks import random_tokens

GREEDY = ar.SamplingConfig(temperature=0)
WAYS = {
    "greedy": GREEDY,
    "plain": ar.SamplingConfig(),
    "cool": ar.SamplingConfig(temperature=0.7),
    "filtered": ar.SamplingConfig(temperature=0.9, top_k=4, repetition_penalty=1.2),
}
IN_NUMPY = [name for name in small_models.NAMES if name.startswith(("transformer", "gpt-2"))]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("name", IN_NUMPY)
def test_a_step_gives_the_logits_of_advance_to_the_end_of_the_context(name):
    model = small_models.make(name)
    writer = deploy.Decoder(model)
    assert writer.backend == "numpy"
    tokens = random_tokens(model, batch=1, time=small_models.CONTEXT)
    theirs, ours = model.initial_state(1), writer.initial_state(1)
    for token in tokens.unbind(1):
        expected, theirs = model.advance(token[:, None], theirs)
        found, ours = writer.advance(token[:, None], ours)
        torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)
    with pytest.raises(ValueError, match="1 more does not fit into the context of 6"):
        writer.advance(tokens[:, :1], ours)


@pytest.mark.parametrize("config", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", small_models.NAMES)
def test_a_sequence_is_the_models_own_past_the_context_too(name, config):
    model = small_models.make(name)
    options = {"max_new_tokens": 20, "config": config}
    for backend in ("auto", "torch"):
        writer = deploy.Decoder(model, backend=backend)
        expected = model.generate([1, 2], rng=seeded(), **options)
        assert torch.equal(writer.generate([1, 2], rng=seeded(), **options), expected)
        steps = writer.stream([1, 2], rng=seeded(), **options)
        assert list(steps) == expected[2:].tolist()


@pytest.mark.parametrize("name", IN_NUMPY)
def test_two_texts_read_in_turns_have_the_logits_that_each_has_alone(name):
    model = small_models.make(name)
    writer = deploy.Decoder(model)
    texts = random_tokens(model, batch=2, time=small_models.CONTEXT).split(1)

    def logits(text: torch.Tensor) -> Any:
        state = writer.initial_state(1)
        for token in text.unbind(1):
            yield writer.advance(token[:, None], state)[0].clone()

    in_turns = list(zip(*map(logits, texts), strict=True))
    for number, text in enumerate(texts):
        for expected, found in zip(logits(text), in_turns, strict=True):
            assert torch.equal(found[number], expected)


@pytest.mark.parametrize("name", [name for name in zoo.names() if "quatrains" not in name][-1:])
def test_a_model_of_the_zoo_writes_the_same_text(name):
    model = zoo.load(name)
    writer = deploy.Decoder(model)
    prompt = zoo.tokenizer(name).encode("ROMEO:")
    options: dict[str, Any] = {"max_new_tokens": 200, "config": GREEDY}
    assert torch.equal(writer.generate(prompt, **options), model.generate(prompt, **options))


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_an_export_writes_the_same_text_past_the_context_too(exported, backend):
    model, folder = exported("tang-quatrains")
    writer = deploy.Decoder(folder, backend=backend)
    assert (writer.backend, writer.context) == (backend, model.context)
    assert writer.tokenizer == zoo.tokenizer("tang-quatrains")
    for config in (GREEDY, ar.SamplingConfig(temperature=0.8, top_k=20)):
        options: dict[str, Any] = {"max_new_tokens": 50, "config": config}
        expected = model.generate([7, 8, 9], rng=seeded(), **options)
        assert torch.equal(writer.generate([7, 8, 9], rng=seeded(), **options), expected)


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_whatever_takes_a_model_takes_a_writer(exported, backend):
    model, folder = exported("tang-quatrains")
    writer = deploy.Decoder(model if backend == "numpy" else folder)
    assert writer.backend == backend
    prompts = torch.tensor([[7, 8], [9, 10]])
    options: dict[str, Any] = {"max_new_tokens": 5}
    assert torch.equal(
        writer.generate(prompts, rng=seeded(), **options),
        model.generate(prompts, rng=seeded(), **options),
    )
    found = ar.beam_search(writer, prompts[0], n_beams=2, **options)
    expected = ar.beam_search(model, prompts[0], n_beams=2, **options)
    assert torch.equal(found[0].tokens, expected[0].tokens)
    torch.testing.assert_close(writer(prompts), model(prompts), atol=1e-4, rtol=1e-4)
    state = writer.initial_state(2)
    _, state = writer.advance(prompts, state)
    state = writer.truncate(state, 1)
    logits, _ = writer.advance(prompts[:, 1:], state)
    torch.testing.assert_close(logits[:, 0], model(prompts)[:, 1], atol=1e-4, rtol=1e-4)


def test_a_stop_token_ends_the_text_and_stands_in_it():
    model = small_models.make("gpt-2")
    free = model.generate([1], max_new_tokens=12, config=GREEDY).tolist()
    stop = free[4]
    writer = deploy.Decoder(model)
    found = writer.generate([1], max_new_tokens=12, config=GREEDY, stop_tokens=[stop]).tolist()
    assert found == free[: free.index(stop, 1) + 1]


def test_later_changes_of_the_model_are_not_seen_and_it_stays_as_it_is():
    model = small_models.make("transformer").train()
    expected = copy.deepcopy(model).generate([1], max_new_tokens=9, config=GREEDY)
    writer = deploy.Decoder(model)
    assert model.training
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert torch.equal(writer.generate([1], max_new_tokens=9, config=GREEDY), expected)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w))])
@pytest.mark.parametrize("name", IN_NUMPY)
def test_a_copy_writes_the_same(name, copied):
    writer = deploy.Decoder(small_models.make(name))
    options: dict[str, Any] = {"max_new_tokens": 12, "config": GREEDY}
    expected = writer.generate([1, 2], **options)
    twin = copied(writer)
    assert twin.backend == "numpy"
    assert torch.equal(twin.generate([1, 2], **options), expected)


def test_threads_may_share_a_writer():
    name = "shakespeare-characters"
    writer = deploy.Decoder(zoo.load(name))
    prompts = zoo.tokenizer(name).encode("RBJM").split(1)

    def write(prompt: torch.Tensor) -> list[int]:
        return writer.generate(prompt, max_new_tokens=150, config=GREEDY).tolist()

    expected, interval = [write(prompt) for prompt in prompts], sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(len(prompts)) as pool:
            assert list(pool.map(write, prompts)) == expected
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("name", ["transformer", "gpt-2"])
def test_a_model_of_another_precision_writes_what_it_writes_itself(name, dtype):
    model = small_models.make(name).to(dtype)
    for config in (GREEDY, ar.SamplingConfig(), ar.SamplingConfig(top_k=3)):
        options: dict[str, Any] = {"max_new_tokens": 12, "config": config}
        expected = model.generate([1, 2], rng=seeded(), **options)
        found = deploy.Decoder(model).generate([1, 2], rng=seeded(), **options)
        assert torch.equal(found, expected)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_an_export_writes_the_same_whatever_numbers_are_by_default(exported, backend):
    folder = exported("tang-quatrains")[1]
    options: dict[str, Any] = {"max_new_tokens": 5, "config": GREEDY}
    expected = deploy.Decoder(folder, backend=backend).generate([7, 8], **options)
    torch.set_default_dtype(torch.float64)
    try:
        found = deploy.Decoder(folder, backend=backend).generate([7, 8], **options)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found, expected)


def test_what_no_step_computes_goes_through_torch():
    plain = small_models.make("gpt-2")
    assert step_of(plain) is not None
    assert step_of(copy.deepcopy(plain).double()) is None
    listened: Any = copy.deepcopy(plain)
    listened.blocks[0].up.register_forward_hook(lambda *_: None)
    assert step_of(listened) is None

    class Doubled(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    changed: Any = copy.deepcopy(plain)
    changed.blocks[0].up = Doubled(8, 32)
    assert deploy.Decoder(changed).backend == "torch"
    with pytest.raises(ValueError, match='cannot be read by the backend "numpy"'):
        deploy.Decoder(changed, backend="numpy")
    namesake: Any = copy.deepcopy(plain)
    namesake.blocks[0].up = type("Linear", (Doubled,), {})(8, 32)
    assert step_of(namesake) is None
    config = ar.TransformerConfig(7, 6, n_layers=1, n_heads=2, width=8, activation="gelu")
    assert deploy.Decoder(ar.Transformer(config)).backend == "torch"


@pytest.mark.parametrize("config", [GREEDY, ar.SamplingConfig()])
@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_logits_that_are_no_distribution_are_told(config, number):
    model: Any = small_models.make("gpt-2")
    with torch.no_grad():
        model.final_norm.bias[0] = number
    with pytest.raises(ValueError, match="the model's logits are"):
        deploy.Decoder(model).generate([1], max_new_tokens=3, config=config)


def test_a_drawn_token_is_the_one_that_sample_draws():
    rng = np.random.default_rng(0)
    for temperature in (1.0, 0.5, 3.0):
        config = ar.SamplingConfig(temperature=temperature)
        ours, theirs = seeded(), seeded()
        choose = _chooser(config, ours)
        for _ in range(200):
            row = rng.normal(size=40).astype(np.float32)
            expected = ar.sampling.sample(torch.from_numpy(row), config, rng=theirs)
            assert choose(row) == int(expected)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([], "the prompt is empty"),
        ([7], "tokens must lie in 0 … 6, got 7 … 7"),
        ([0] * 7, "takes at most 6 tokens, got 7"),
        ([0.5], "the prompt as whole numbers"),
    ],
)
def test_a_wrong_prompt_is_told(prompt, message):
    writer = deploy.Decoder(small_models.make("gpt-2"))
    with pytest.raises(ValueError, match=message):
        writer.generate(prompt, max_new_tokens=2)
    with pytest.raises(ValueError, match=message):
        writer.stream(prompt, max_new_tokens=2)


def test_what_is_no_model_of_text_is_told(exported, tmp_path):
    model = small_models.make("gpt-2")
    with pytest.raises(ValueError, match="which reads no text"):
        deploy.Decoder(exported("mnist-mlp-gan")[1])
    with pytest.raises(FileNotFoundError, match="expected a folder written by"):
        deploy.Decoder(tmp_path)
    with pytest.raises(ValueError, match='for "onnx" give the folder of an export'):
        deploy.Decoder(model, backend="onnx")
    with pytest.raises(ValueError, match="backend must be"):
        deploy.Decoder(exported("mnist-mlp-gan")[1], backend="numpy")
    with pytest.raises(ValueError, match="was loaded for 'onnx'"):
        deploy.Decoder(deploy.load(exported("tang-quatrains")[1]), backend="torch")
    with pytest.raises(ValueError, match="one sequence"):
        deploy.Decoder(model).stream([[1, 2]], max_new_tokens=2)
