"""Sequences that are written together, and each as if it were alone."""

import itertools
from typing import Any

import pytest
import torch

from aigc_tutorial import gan, zoo
from aigc_tutorial.deploy.service import ImageModel, TextModel
from aigc_tutorial.deploy.service.batcher import TextBatcher
from aigc_tutorial.deploy.service.errors import ServiceError
from aigc_tutorial.deploy.service.jobs import TextJob
from aigc_tutorial.tokenizers import ByteTokenizer, CharacterTokenizer
from tests.deploy.service.small import CONTEXT, broken_writer, parrot, writer, written


def job(prompt: str = "ab", *, seed: int = 0, **settings: Any) -> TextJob:
    tokens = list(prompt.encode())
    return TextJob("m", prompt=tokens, rng=torch.Generator().manual_seed(seed), **settings)


def run(batcher: TextBatcher, *jobs: TextJob) -> dict[TextJob, list]:
    """Submit jobs and step until nothing is left."""
    for one in jobs:
        batcher.submit(one)
    steps: dict[TextJob, list] = {one: [] for one in jobs}
    while batcher.is_busy:
        for one, step in batcher.step():
            steps[one].append((one, step))
    return steps


@pytest.fixture(scope="module")
def shakespeare() -> TextModel:
    name = "shakespeare-characters"
    return TextModel(zoo.load(name), zoo.tokenizer(name))


def shakespeare_jobs(served: TextModel) -> list[TextJob]:
    """Sixteen, each with settings of its own."""
    settings = itertools.product((0.0, 0.5, 1.0, 1.3), (0.5, 0.9, 1.0, 1.0))
    prompts = ("ROMEO:", "First Citizen:\nBefore we proceed", "\n", "JULIET:\nO ")
    return [
        TextJob(
            "m",
            prompt=served.tokenizer.encode(prompts[i % 4]).tolist(),
            max_new_tokens=20 + 9 * i,
            temperature=temperature,
            top_p=top_p,
            rng=torch.Generator().manual_seed(i),
            stops=("\n\n",) if i % 5 == 4 else (),
        )
        for i, (temperature, top_p) in enumerate(settings)
    ]


def test_a_text_does_not_depend_on_who_shares_its_batch(shakespeare):
    """Sixteen with sixteen settings: all at once, one by one, and in fives with a late crowd."""
    together = run(TextBatcher("m", shakespeare, 16), *shakespeare_jobs(shakespeare))
    fives = run(TextBatcher("m", shakespeare, 5), *reversed(shakespeare_jobs(shakespeare)))
    expected = [written(steps) for steps in together.values()]
    assert [written(steps) for steps in reversed(fives.values())] == expected
    for i in (0, 3, 7, 10, 15):
        alone = shakespeare_jobs(shakespeare)[i]
        assert written(run(TextBatcher("m", shakespeare, 16), alone)[alone]) == expected[i]
    assert len({*expected}) == 16
    lengths = {len(steps) for steps in together.values()}
    assert max(lengths) == 20 + 9 * 15 > 128 - 6  # past the context's edge


def test_who_comes_joins_between_two_tokens():
    batcher = TextBatcher("m", writer(), 2)
    first, second, third = (job(seed=i, max_new_tokens=4) for i in range(3))
    batcher.submit(first)
    assert [one for one, _ in batcher.step()] == [first]
    batcher.submit(second)
    batcher.submit(third)
    assert [one for one, _ in batcher.step()] == [first, second]
    assert (batcher.n_running, list(batcher.waiting)) == (2, [third])
    assert [one for one, _ in batcher.step()] == [first, second]
    assert [step.finish for _, step in batcher.step()] == ["length", None]
    assert [one for one, _ in batcher.step()] == [second, third]


def test_a_character_of_several_bytes_is_held_back_until_it_is_whole():
    text = "déjà 東京 🎉 "
    batcher = TextBatcher("m", parrot(text), 4)
    steps = run(batcher, job("déjà ", max_new_tokens=len(text.encode()), temperature=0))
    (answers,) = steps.values()
    pieces = [step.text for _, step in answers]
    assert "".join(pieces) == "東京 🎉 déjà "
    assert [p for p in pieces if p] == list("東京 🎉 déjà ")
    assert pieces.count("") == len(text.encode()) - len(text)


def test_a_character_that_never_becomes_whole_is_shown_at_the_end():
    batcher = TextBatcher("m", parrot("東京 "), 4)
    (answers,) = run(batcher, job("京 ", max_new_tokens=2, temperature=0)).values()
    assert [step.text for _, step in answers] == ["", "�"]
    assert answers[-1][1].finish == "length"


def test_a_sequence_ends_at_its_stop_of_which_nothing_is_shown():
    batcher = TextBatcher("m", parrot("one two three "), 4)
    stopped = job("one ", max_new_tokens=50, temperature=0, stops=("thr", "zero"))
    (answers,) = run(batcher, stopped).values()
    assert written(answers) == "two "
    assert answers[-1][1].finish == "stop"
    assert len(answers) == len("two thr")


def test_what_was_held_back_for_a_stop_is_shown_at_the_end():
    batcher = TextBatcher("m", parrot("one two three "), 4)
    (answers,) = run(batcher, job("one ", max_new_tokens=6, temperature=0, stops=("the",))).values()
    assert written(answers) == "two th"
    assert answers[-1][1].finish == "length"


def test_a_sequence_ends_at_the_token_for_the_end():
    tokenizer = CharacterTokenizer("ab", special_tokens=("eos",))
    served = writer(tokenizer, scale=0.0)  # every token is equally probable
    ended = TextJob("m", prompt=[0], max_new_tokens=100, rng=torch.Generator().manual_seed(1))
    (answers,) = run(TextBatcher("m", served, 2), ended).values()
    assert answers[-1][1].finish == "stop"
    assert [step.n_tokens for _, step in answers] == [1] * len(answers)
    assert len(written(answers)) == len(answers) - 1 < 99


def test_a_wrong_number_ends_its_own_sequence_and_no_other():
    batcher = TextBatcher("broken", broken_writer(), 4)
    wrong, right = job("!"), job("ab", max_new_tokens=3, temperature=0)
    steps = run(batcher, wrong, right)
    ((_, step),) = steps[wrong]
    assert step.error.status == 500
    assert "logits are not numbers (NaN)" in str(step.error)
    assert steps[right][-1][1].finish == "length"


def test_cancelling_leaves_no_trace_in_the_others():
    def texts(*, with_cancelled: bool) -> list[str]:
        batcher = TextBatcher("m", writer(), 4)
        kept = [job("abc"[i:], seed=i, max_new_tokens=CONTEXT + 9) for i in range(2)]
        left = [job("xyz", seed=9, max_new_tokens=99) for _ in range(3)]
        for one in [left[0], kept[0], left[1], kept[1], left[2]] if with_cancelled else kept:
            batcher.submit(one)
        texts = dict.fromkeys(kept, "")
        for i in range(2 * CONTEXT):
            if with_cancelled and i == 5:
                assert [batcher.cancel(one) for one in left] == [True] * 3
                assert not any(batcher.cancel(one) for one in left)
            for one, step in batcher.step():
                if one in texts:
                    texts[one] += step.text
        assert not batcher.is_busy
        return list(texts.values())

    assert texts(with_cancelled=True) == texts(with_cancelled=False)


def test_a_prompt_that_the_model_cannot_read_fails_alone():
    batcher = TextBatcher("m", writer(), 4)
    wrong, right = job("x" * (CONTEXT + 1)), job(max_new_tokens=1)
    steps = run(batcher, wrong, right)
    assert steps[wrong][0][1].error.status == 400
    assert steps[right][0][1].finish == "length"


def test_failing_ends_all_and_leaves_it_usable():
    batcher = TextBatcher("m", writer(ByteTokenizer()), 1)
    jobs = [job(seed=i) for i in range(3)]
    for one in jobs:
        batcher.submit(one)
    batcher.step()
    error = ServiceError(500, "It broke.")
    assert {one: step.error for one, step in batcher.fail(error)} == dict.fromkeys(jobs, error)
    assert not batcher.is_busy
    again = job(max_new_tokens=3)
    assert run(batcher, again)[again][-1][1].finish == "length"


@pytest.mark.parametrize("image_shape", [(3, 8, 8), (2,)])
def test_what_is_not_grey_is_not_served(image_shape):
    """Of colours the red ones alone would be sent, and points of the plane are no image."""
    config = gan.MLPGeneratorConfig(latent_dim=4, image_shape=image_shape, hidden=(8,))
    with pytest.raises(ValueError, match="grey images of one channel are served here"):
        ImageModel(gan.MLPGenerator(config))
