"""Our GPT-2 equals the transformers library's on the same weights."""

import pytest
import torch

from aigc_tutorial.ar.models.gpt2 import GPT2, GPT2Config
from tests.ar import checks

CONTEXT = 12
SMALL = GPT2Config(vocab_size=11, context=CONTEXT, n_layers=2, n_heads=2, width=8)
SHAPES: list[dict] = [
    {"vocab_size": 11, "n_positions": 24, "n_embd": 8, "n_layer": 1, "n_head": 1},
    {"vocab_size": 50, "n_positions": 16, "n_embd": 24, "n_layer": 3, "n_head": 4, "n_inner": 40},
    {"vocab_size": 30, "n_positions": 40, "n_embd": 32, "n_layer": 2, "n_head": 2}
    | {"layer_norm_epsilon": 1e-3, "activation_function": "gelu_pytorch_tanh"},
]


def huggingface_model(**settings):
    import transformers

    torch.manual_seed(0)
    # A wide initialisation: with the usual one all models are nearly alike.
    config = transformers.GPT2Config(initializer_range=0.4, **settings)
    return transformers.GPT2LMHeadModel(config).eval()


@pytest.fixture
def model():
    return checks.randomize(GPT2(SMALL))


@pytest.fixture
def tokens(model):
    return checks.random_tokens(model, 2, CONTEXT)


@torch.no_grad()
@pytest.mark.parametrize("settings", SHAPES)
def test_logits_equal_the_librarys(settings):
    theirs = huggingface_model(**settings)
    ours = GPT2.from_huggingface(theirs)
    tokens = checks.random_tokens(ours, 3, settings["n_positions"])
    expected = theirs(tokens).logits
    torch.testing.assert_close(ours(tokens), expected, rtol=1e-5, atol=1e-5)
    assert expected.std() > 0.5


@torch.no_grad()
@pytest.mark.parametrize("settings", SHAPES)
def test_greedy_tokens_equal_the_librarys(settings):
    theirs = huggingface_model(**settings)
    ours = GPT2.from_huggingface(theirs)
    prompt = checks.random_tokens(ours, 2, 3)
    n_new = settings["n_positions"] - 3
    expected = theirs.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=n_new,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    logits, state = ours.advance(prompt, ours.initial_state(2))
    generated = [prompt, logits[:, -1:].argmax(-1)]
    for _ in range(n_new - 1):
        logits, state = ours.advance(generated[-1], state)
        generated.append(logits.argmax(-1))
    assert torch.equal(torch.cat(generated, 1), expected)


def test_a_folder_of_the_library_is_loaded(tmp_path):
    theirs = huggingface_model(**SHAPES[0])
    theirs.save_pretrained(tmp_path)
    tokens = torch.arange(11)[None]
    ours = GPT2.from_huggingface(tmp_path)
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=1e-5, atol=1e-5)


def test_the_weights_are_a_copy():
    theirs = huggingface_model(**SHAPES[0])
    ours = GPT2.from_huggingface(theirs)
    with torch.no_grad():
        ours.token_embedding.weight.zero_()
    assert theirs.transformer.wte.weight.any()


@pytest.mark.parametrize(
    "setting",
    [
        {"activation_function": "relu"},
        {"scale_attn_by_inverse_layer_idx": True},
        {"scale_attn_weights": False},
        {"tie_word_embeddings": False},
    ],
)
def test_variants_that_compute_something_else_are_refused(setting):
    with pytest.raises(ValueError, match=f"cannot load a GPT-2 with {next(iter(setting))}"):
        GPT2.from_huggingface(huggingface_model(**SHAPES[0], **setting))


def test_what_would_be_lost_is_refused():
    theirs = huggingface_model(**SHAPES[0])
    theirs.lm_head.weight = torch.nn.Parameter(theirs.lm_head.weight.detach() + 1e-3)
    with pytest.raises(ValueError, match="head differs from its embedding"):
        GPT2.from_huggingface(theirs)
    theirs = huggingface_model(**SHAPES[0])
    theirs.lm_head.bias = torch.nn.Parameter(torch.ones(11))
    with pytest.raises(ValueError, match="head has a bias"):
        GPT2.from_huggingface(theirs)
    with pytest.raises(ValueError, match="cannot load a GPT2Model: expected"):
        GPT2.from_huggingface(huggingface_model(**SHAPES[0]).transformer)
    theirs = huggingface_model(**SHAPES[0])
    theirs.multiple_choice_head = torch.nn.Linear(6, 1)  # as a GPT2DoubleHeadsModel has one
    with pytest.raises(ValueError, match="it has multiple_choice_head, which would be lost"):
        GPT2.from_huggingface(theirs)


def test_whatever_else_changes_the_logits_is_refused():
    theirs = huggingface_model(**SHAPES[0])
    theirs.transformer.h[0].mlp.act = torch.nn.ReLU()
    with pytest.raises(ValueError, match=r"with its weights ours computes other logits"):
        GPT2.from_huggingface(theirs)
    theirs = huggingface_model(**SHAPES[0])
    theirs.transformer.h[0].ln_1.eps = 10.0
    with pytest.raises(ValueError, match=r"with its weights ours computes other logits"):
        GPT2.from_huggingface(theirs)
    theirs = huggingface_model(**SHAPES[0])
    theirs.transformer.h[0].mlp.c_fc = torch.nn.Sequential(theirs.transformer.h[0].mlp.c_fc)
    with pytest.raises(ValueError, match="weights are not those of the plain architecture"):
        GPT2.from_huggingface(theirs)


def test_a_model_in_training_with_dropout_or_in_half_precision_is_taken_over():
    theirs = huggingface_model(**SHAPES[0], resid_pdrop=0.5).train()
    assert GPT2.from_huggingface(theirs).token_embedding.weight.shape == (11, 8)
    assert theirs.training
    ours = GPT2.from_huggingface(huggingface_model(**SHAPES[0]).to(torch.bfloat16))
    assert ours.token_embedding.weight.dtype == torch.float32


def test_causal(model, tokens):
    checks.assert_causal(model, tokens)


def test_without_its_mask_the_model_is_caught(tokens):
    class Unmasked(GPT2):
        def attention_mask(self, n_queries, n_keys):
            return torch.ones(n_queries, n_keys, dtype=torch.bool)

    with pytest.raises(AssertionError, match="later token"):
        checks.assert_causal(checks.randomize(Unmasked(SMALL)), tokens)


def test_cached_equals_uncached_up_to_the_edge_of_the_context(model, tokens):
    checks.assert_cached_equals_uncached(model, tokens)
    checks.assert_rows_can_be_selected(model, tokens)
    checks.assert_state_can_be_truncated(model, tokens)


def test_likelihoods(model, tokens):
    checks.assert_uniform_nll(model, tokens)
    tiny = checks.randomize(GPT2(GPT2Config(3, 5, 1, 2, 8)))
    checks.assert_probabilities_sum_to_one(tiny, 4)


def test_a_new_model_knows_nothing(tokens):
    torch.manual_seed(0)
    nll = GPT2(SMALL).nll(tokens)
    torch.testing.assert_close(nll, torch.full_like(nll, 11.0).log(), rtol=0.1, atol=0)


def test_new_maps_into_the_residual_stream_are_smaller_with_their_number():
    torch.manual_seed(0)
    model = GPT2(GPT2Config(50, 32, n_layers=8, n_heads=2, width=64))
    adding = ("attention.output.weight", "down.weight")
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            expected = 0.02 / 4 if name.endswith(adding) else 0.02  # √(2 · 8) = 4
            assert float(parameter.detach().std()) == pytest.approx(expected, rel=0.1), name


def test_a_norm_that_may_divide_by_zero_is_refused():
    with pytest.raises(ValueError, match="layer_norm_eps must be above 0"):
        GPT2Config(11, CONTEXT, layer_norm_eps=0.0)


def test_beyond_the_context_is_an_error(model, tokens):
    with pytest.raises(ValueError, match="at most 12 tokens"):
        model(torch.cat([tokens, tokens], 1))
    _, state = model.advance(tokens, model.initial_state(2))
    with pytest.raises(ValueError, match="do not fit into the context of 12"):
        model.advance(tokens[:, :1], state)


def test_saved_and_loaded_it_is_the_same(model, tokens, tmp_path):
    model.save_pretrained(tmp_path / "gpt2")
    assert torch.equal(GPT2.from_pretrained(tmp_path / "gpt2")(tokens), model(tokens))


@torch.no_grad()
def test_one_token_is_read_as_by_the_blocks_forward(model, tokens):
    block, x = model.blocks[0], model.token_embedding(tokens)
    weights = block.plain_weights()
    caches = [model.initial_state(2).cache for _ in range(2)]
    for t in range(CONTEXT):
        for cache in caches:
            cache.reserve(tokens[:, t : t + 1])
        fast = block.read_one(x[:, t : t + 1], weights, caches[0], 0)
        torch.testing.assert_close(fast, block(x[:, t : t + 1], None, caches[1], 0))


class Doubled(torch.nn.Linear):
    def forward(self, input):
        return 2 * super().forward(input)


@torch.no_grad()
def test_a_replaced_layer_is_not_passed_over_when_single_tokens_are_read(model, tokens):
    before = model(tokens)
    model.blocks[0].up = Doubled(8, 32)
    assert not torch.allclose(model(tokens), before)
    checks.assert_cached_equals_uncached(model, tokens)


@torch.no_grad()
def test_a_listener_hears_every_token(model, tokens):
    heard = []
    model.blocks[1].down.register_forward_hook(lambda *call: heard.append(call))
    state = model.initial_state(2)
    for t in range(3):
        _, state = model.advance(tokens[:, t : t + 1], state)
    assert len(heard) == 3
