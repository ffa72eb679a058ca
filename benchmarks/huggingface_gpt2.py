"""A GPT-2 of Hugging Face's ``transformers`` and ours with its weights, to be held against it."""

from typing import Any

import torch
from torch import Tensor

from aigc_tutorial.ar import GPT2


def pair(seed: int, context: int) -> tuple[Any, GPT2]:
    """Their model and ours, of the same random weights, in the size of the small GPT we train.

    The weights are larger than usual, so that the most probable token is seldom a close call.
    """
    import transformers

    transformers.logging.set_verbosity_error()
    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        vocab_size=65,
        n_positions=context,
        n_embd=128,
        n_layer=4,
        n_head=4,
        initializer_range=0.1,
        bos_token_id=None,
        eos_token_id=None,
    )
    theirs = transformers.GPT2LMHeadModel(config).eval()
    return theirs, GPT2.from_huggingface(theirs)


def write(theirs: Any, n_new: int, *, sampling: bool) -> Tensor:
    """Their ``generate`` as its users call it, with its cache, after the token 0.

    Args:
        theirs: of :func:`pair`.
        n_new: tokens to write.
        sampling: from the model's own distribution; else the most probable token each time.

    Returns:
        Tokens (1, 1 + n_new).
    """
    prompt = torch.zeros(1, 1, dtype=torch.int64)
    tokens: Tensor = theirs.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=n_new,
        use_cache=True,
        pad_token_id=0,
        do_sample=sampling,
        top_k=0 if sampling else None,
    )
    return tokens
