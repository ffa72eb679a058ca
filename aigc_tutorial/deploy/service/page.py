"""The page that uses the service: one file, which loads nothing from anywhere else."""

import base64
import hashlib
import re
from pathlib import Path

PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")


def _sources(tag: str) -> str:
    """The element of this name, as a policy lets it pass: by the sum of what it holds."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


# What is written on the page is a model's; should it ever be taken for markup, it could do nothing.
PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'sha256-{_sources('script')}'; "
        f"style-src 'sha256-{_sources('style')}'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
