"""Four small demonstrations, all on made-up data: medicine, education, entertainment, games.

``lesions``, ``balancing``, ``screening`` and ``augmentation`` ask whether generated photographs
help a classifier, ``questions`` lets a checker grade what a model writes, ``themes`` looks for what
was copied, ``levels`` proves that a level can be played, and ``level_writers`` write some.
"""

from aigc_tutorial.apps.outlook import (
    augmentation,
    balancing,
    lesions,
    level_writers,
    levels,
    questions,
    screening,
    themes,
)

__all__ = [
    "augmentation",
    "balancing",
    "lesions",
    "level_writers",
    "levels",
    "questions",
    "screening",
    "themes",
]
