"""A language model at the desk: choosing among sentences, and writing within given words."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aigc_tutorial import ar
from aigc_tutorial.apps.checks import as_texts, require_positive
from aigc_tutorial.apps.support.checks import require_own_tokenizer
from aigc_tutorial.apps.support.grounding import FUNCTION_WORDS
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn import evaluation_mode
from aigc_tutorial.tokenizers import Tokenizer

_ENDS = (".", "!", "?", "。", "！", "？")


@torch.no_grad()
def log_likelihood(
    model: ar.AutoregressiveModel, tokenizer: Tokenizer, prompt: str, continuation: str
) -> float:
    """Nats that a model gives to a text after another one, of which the end is read that fits.

    Raises:
        ValueError: if no token stands before the text, the text fills the model's context, or the
            tokenizer is not the model's.
    """
    require_own_tokenizer(model, tokenizer)
    before, new = tokenizer.prompt(prompt), tokenizer.encode(continuation)
    if not len(before):
        raise ValueError("nothing stands before the text; its first token has no probability")
    if model.context is not None and len(new) >= model.context:
        raise ValueError(
            f"the text has {len(new)} tokens, and the model reads {model.context} with one before "
            "them; take a shorter one"
        )
    if not (n_new := len(new)):
        return 0.0
    tokens = torch.cat([before, new])
    if model.context is not None:
        tokens = tokens[-model.context :]
    with evaluation_mode(model):
        logits = model(tokens[None].to(model.device))[0].float().cpu()
    found = logits[:-1].log_softmax(1).gather(1, tokens[1:, None])
    return float(found[-n_new:].sum())


def sentence_scores(
    model: ar.AutoregressiveModel, tokenizer: Tokenizer, question: str, sentences: Sequence[str]
) -> Float[Tensor, " S"]:
    r"""How much more probable a question makes each sentence: their pointwise mutual information.

    .. math:: \ln p(s \mid q) - \ln p(s \mid \text{no question})

    The second term takes away that a short or a common sentence is probable after anything.
    """
    return torch.tensor(
        [
            log_likelihood(model, tokenizer, f"{question}\n", sentence)
            - log_likelihood(model, tokenizer, "\n", sentence)
            for sentence in as_texts(sentences, "sentences")
        ]
    )


class WordFence:
    """Which tokens may come next so that every word of a text is one of a given set.

    A token may end a word and begin another; what it leaves unfinished must be the beginning of a
    word that is allowed.
    """

    def __init__(self, tokenizer: Tokenizer, source: str) -> None:
        """Collect the words.

        Args:
            tokenizer: whose tokens are judged.
            source: its words are allowed as it writes them, and the function words of English.
        """
        in_source = {word.strip(".,!?") for word in source.split()}
        capitals = {word.capitalize() for word in FUNCTION_WORDS}
        self._words = frozenset(FUNCTION_WORDS | capitals | in_source)
        self._beginnings = frozenset(w[:n] for w in self._words for n in range(1, len(w) + 1))
        self._pieces = [
            tokenizer.decode(torch.tensor([token])) for token in range(tokenizer.vocab_size)
        ]

    def after(self, text: str) -> Bool[Tensor, " V"]:
        """True at tokens that may follow a text, of which all but the last word are allowed."""
        unfinished = "" if not text or text[-1] in " .,!?" else text.split()[-1]
        return torch.tensor([self._fits(unfinished, piece) for piece in self._pieces])

    def _fits(self, unfinished: str, piece: str) -> bool:
        if not piece:
            return False
        for i, character in enumerate(piece):
            if character in " .,!?" and (character == " " or i + 1 == len(piece)):
                if unfinished and unfinished not in self._words:
                    return False
                if not unfinished and character != " ":
                    return False
                unfinished = ""
            else:
                unfinished += character
                if unfinished not in self._beginnings:
                    return False
        return True


@torch.no_grad()
def write(
    model: ar.AutoregressiveModel,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    n_tokens: int,
    rng: torch.Generator,
    fence: WordFence | None = None,
    temperature: float = 0.7,
) -> str:
    """Let a model go on with a text until it ends a sentence.

    Args:
        model: any autoregressive one.
        tokenizer: the model's own.
        prompt: what stands before.
        n_tokens: at most so many.
        rng: source of randomness, on the CPU.
        fence: which words it may write; None for all.
        temperature: of the sampling.

    Raises:
        ValueError: if the temperature is not positive, the prompt is empty, prompt and text
            together are longer than the model's context, or the tokenizer is not the model's.
    """
    require_positive(temperature, "temperature")
    require_own_tokenizer(model, tokenizer)
    n_tokens, n_before = as_count(n_tokens, "n_tokens", at_least=0), len(tokenizer.prompt(prompt))
    if not n_before:
        raise ValueError("the prompt is empty, and nothing follows from nothing; begin with a line")
    if model.context is not None and n_before + n_tokens > model.context:
        raise ValueError(
            f"the prompt has {n_before} tokens; with {n_tokens} more they exceed the model's "
            f"context of {model.context}"
        )
    written, tokens = "", []
    with evaluation_mode(model):
        logits, state = model.advance(
            tokenizer.prompt(prompt)[None].to(model.device), model.initial_state(1)
        )
        for _ in range(n_tokens):
            last = logits[0, -1].float().cpu() / temperature
            if fence is not None:
                may_follow = fence.after(written)
                if not may_follow.any():
                    break
                last = last.masked_fill(~may_follow, -torch.inf)
            token = torch.multinomial(last.softmax(0), 1, generator=rng)
            tokens.append(int(token))
            written = tokenizer.decode(tokens)  # of all: a character may be of several tokens
            if written.rstrip().endswith(_ENDS):
                break
            logits, state = model.advance(token[None].to(model.device), state)
    return written.strip()
