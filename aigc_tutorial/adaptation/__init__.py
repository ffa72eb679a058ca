"""Adapting a trained model to a task: LoRA."""

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
    "LoRALinear",
    "add_lora",
    "load_lora",
    "lora_layers",
    "merge_lora",
    "remove_lora",
    "save_lora",
    "unmerge_lora",
    "without_lora",
]
