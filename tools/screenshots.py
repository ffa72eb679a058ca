"""Take screenshots of pages of the built book: wide and phone, light and dark.

Use: .venv/bin/python tools/screenshots.py FOLDER [PAGE …], for example with PAGE 05_4_results.
"""

import argparse
import sys
from pathlib import Path

from chromium import (
    HOW_TO_GET,
    HTML,
    PHONE,
    WIDE,
    book_pages,
    find_chromium,
    load_pictures,
    open_browser,
    set_scheme,
    wait_until_drawn,
)

STILL = "*, *::before, *::after { animation: none !important; transition: none !important; }"


def plain_name(page: str) -> str:
    """Return a page's name without folder and ending, and no other page's.

    >>> plain_name("book/index.html"), plain_name("book/api/index.html")
    ('index', 'api-index')
    """
    return page.removeprefix("book/").removesuffix(".html").replace("/", "-")


def main() -> int:
    """Write FOLDER/PAGE-SIZE-SCHEME.png for each page; a page of the reference is ``api-gan``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pages", nargs="*", help="names without folder and ending; default: all")
    arguments = parser.parse_args()
    executable = find_chromium()
    if executable is None:
        print(HOW_TO_GET, file=sys.stderr)
        return 1
    arguments.folder.mkdir(parents=True, exist_ok=True)
    wanted = [p for p in book_pages() if not arguments.pages or plain_name(p) in arguments.pages]
    if not wanted:
        print(f"No such page in {HTML}; there are: {book_pages()}", file=sys.stderr)
        return 1
    with open_browser(executable) as browser:
        for name in wanted:
            for size, viewport in {"wide": WIDE, "phone": PHONE}.items():
                page = browser.new_page(viewport=viewport)
                page.goto((HTML / name).as_uri())
                page.add_style_tag(content=STILL)
                for scheme in ("light", "dark"):
                    set_scheme(page, scheme)
                    wait_until_drawn(page)
                    load_pictures(page)
                    page.evaluate("() => { document.activeElement?.blur(); scrollTo(0, 0); }")
                    path = arguments.folder / f"{plain_name(name)}-{size}-{scheme}.png"
                    page.screenshot(path=path, full_page=True)
                    print(path)
                page.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
