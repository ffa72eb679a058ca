"""Lists of words as one rule."""

import re


def as_rule(words: str) -> re.Pattern[str]:
    """A rule that finds any of some words, for texts in small letters.

    A word of letters stands between other signs; Chinese has no such borders.

    Args:
        words: regular expressions with spaces between them, and ``_`` for a space in one.
    """
    parts = [word.replace("_", " ").replace("(", "(?:") for word in words.split()]
    latin = "|".join(part for part in parts if part.isascii())
    others = [part for part in parts if not part.isascii()]
    return re.compile("|".join([rf"\b(?:{latin})\b", *others]))
