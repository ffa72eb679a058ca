"""Four small demonstrations, all on made-up data: medicine, education, entertainment, games.

``lesions``, ``balancing``, ``screening`` and ``augmentation`` ask whether generated photographs
help a classifier, ``questions`` lets a checker grade what a model writes, ``themes`` looks for what
was copied, and ``levels`` proves that a level can be played.
"""

from aigc_tutorial.apps.outlook import (
    augmentation,
    balancing,
    lesions,
    levels,
    questions,
    screening,
    themes,
)

__all__ = ["augmentation", "balancing", "lesions", "levels", "questions", "screening", "themes"]
