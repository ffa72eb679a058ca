"""Adapting a trained model to a task: in full, by LoRA, or by a new head on frozen features.

>>> import torch
>>> from aigc_tutorial import adaptation, zoo
>>> model = zoo.load("english-bytes")
>>> layers = adaptation.add_lora(model, rank=8, rng=torch.Generator().manual_seed(0))
>>> classifier = adaptation.Classifier(model, n_classes=3)

From here on the factors and the head learn: ``ar.train(model, ...)`` or
``adaptation.train_classifier(classifier, ...)``.
"""

from aigc_tutorial.adaptation.fine_tuning import (
    ClassifierTrainer,
    FineTuningConfig,
    FineTuningResult,
    LabelledTexts,
    train_classifier,
)
from aigc_tutorial.adaptation.heads import (
    Classifier,
    class_probabilities,
    encode_texts,
    text_features,
)
from aigc_tutorial.adaptation.lora import (
    LoRALinear,
    add_lora,
    lora_layers,
    merge_lora,
    remove_lora,
    unmerge_lora,
    without_lora,
)
from aigc_tutorial.adaptation.lora_files import load_lora, save_lora

__all__ = [
    "Classifier",
    "ClassifierTrainer",
    "FineTuningConfig",
    "FineTuningResult",
    "LabelledTexts",
    "LoRALinear",
    "add_lora",
    "class_probabilities",
    "encode_texts",
    "load_lora",
    "lora_layers",
    "merge_lora",
    "remove_lora",
    "save_lora",
    "text_features",
    "train_classifier",
    "unmerge_lora",
    "without_lora",
]
