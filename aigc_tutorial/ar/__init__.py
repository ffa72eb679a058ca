"""Autoregressive models: from counting to attention.

All of them score and continue sequences of tokens in the same way:

>>> import torch
>>> from aigc_tutorial import ar
>>> tokenizer = ar.CharacterTokenizer.from_text("to be or not to be")
>>> tokens = tokenizer.encode("to be or not to be")
>>> model = ar.NGramModel(ar.NGramConfig(tokenizer.vocab_size, order=3)).fit(tokens)
>>> model.nll(tokens[None]).shape
torch.Size([1, 17])
>>> greedy = ar.SamplingConfig(temperature=0)
>>> tokenizer.decode(model.generate(tokens[:2], max_new_tokens=4, config=greedy))
'to be '
"""

from aigc_tutorial.ar import recipes, sampling
from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.beam import Beam, beam_search
from aigc_tutorial.ar.causality import influence
from aigc_tutorial.ar.generation import generate, stream, stream_text
from aigc_tutorial.ar.gpt2 import GPT2, GPT2Config
from aigc_tutorial.ar.ngram import NGramConfig, NGramModel
from aigc_tutorial.ar.pixelcnn import PixelCNN, PixelCNNConfig
from aigc_tutorial.ar.recurrent import RecurrentConfig, RecurrentModel
from aigc_tutorial.ar.sampling import SamplingConfig
from aigc_tutorial.ar.speculative import SpeculativeResult, speculative_generate
from aigc_tutorial.ar.tokenizers import (
    BPETokenizer,
    ByteTokenizer,
    CharacterTokenizer,
    Tokenizer,
    load_tokenizer,
)
from aigc_tutorial.ar.trainer import ARTrainer, ARTrainingConfig, ARTrainingResult, train
from aigc_tutorial.ar.transformer import Transformer, TransformerConfig
from aigc_tutorial.ar.video import FrameModel, FrameModelConfig
from aigc_tutorial.ar.wavenet import WaveNet, WaveNetConfig
from aigc_tutorial.ar.window import WindowConfig, WindowModel

__all__ = [
    "GPT2",
    "ARTrainer",
    "ARTrainingConfig",
    "ARTrainingResult",
    "AutoregressiveModel",
    "BPETokenizer",
    "Beam",
    "ByteTokenizer",
    "CharacterTokenizer",
    "FrameModel",
    "FrameModelConfig",
    "GPT2Config",
    "NGramConfig",
    "NGramModel",
    "PixelCNN",
    "PixelCNNConfig",
    "RecurrentConfig",
    "RecurrentModel",
    "SamplingConfig",
    "SpeculativeResult",
    "Tokenizer",
    "Transformer",
    "TransformerConfig",
    "WaveNet",
    "WaveNetConfig",
    "WindowConfig",
    "WindowModel",
    "beam_search",
    "generate",
    "influence",
    "load_tokenizer",
    "recipes",
    "sampling",
    "speculative_generate",
    "stream",
    "stream_text",
    "train",
]
