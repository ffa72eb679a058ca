"""What the built book shows of itself elsewhere: to search engines, in messages, in tabs."""

import re
import struct
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

import chromium
import pytest
import yaml

pytestmark = pytest.mark.built

ROOT = Path(__file__).resolve().parents[2]
PAGES = chromium.book_pages()
BASE = str(yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]["baseurl"])


def read(name: str) -> str:
    """Return a built page's HTML."""
    return (chromium.HTML / name).read_text(encoding="utf-8")


def meta(html: str, name: str) -> str:
    """Return the content of the one `meta` of this name or property."""
    found = re.findall(rf'<meta (?:name|property)="{re.escape(name)}" content="([^"]*)"', html)
    assert len(found) == 1, f"{name} stands there {len(found)} times"
    return str(found[0])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_face_of_its_own(name: str) -> None:
    html = read(name)
    description = meta(html, "description")
    assert len(description) > 25
    assert "Measured on" not in description, "the budget describes no page"
    assert meta(html, "og:description") == description
    assert html.count('name="viewport"') == 1
    assert f'<link rel="canonical" href="{BASE}{name}" />' in html
    assert meta(html, "og:url") == BASE + name
    card = chromium.HTML / meta(html, "og:image").removeprefix(BASE)
    width, height = struct.unpack(">II", card.read_bytes()[16:24])
    assert (width, height) == (
        int(meta(html, "og:image:width")),
        int(meta(html, "og:image:height")),
    )
    for icon in re.findall(r'<link rel="(?:icon|apple-touch-icon)" href="([^"]+)"', html):
        assert (chromium.HTML / name).parent.joinpath(icon).is_file()


def test_pages_differ_in_description_card_and_title() -> None:
    for pattern in (
        r'name="description" content="([^"]*)"',
        r'property="og:image" content="([^"]*)"',
        r"<title>([^<]*)</title>",
    ):
        found = [re.search(pattern, read(name)) for name in PAGES]
        values = [match[1] for match in found if match]
        assert len(set(values)) == len(PAGES)


def test_the_first_page_says_its_title_once() -> None:
    html = read("book/index.html")
    title = re.search(r"<title>\s*(.*?)\s*</title>", html)
    assert title
    assert title[1].count("AIGC") == 1
    menu = html[html.index('id="pst-primary-sidebar"') : html.index("<main")]
    assert menu.count("AIGC: principles and code") == 1


def test_the_map_of_the_site_has_every_page_once() -> None:
    root = ElementTree.parse(chromium.HTML / "sitemap.xml").getroot()
    places = [e.text for e in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert sorted(map(str, places)) == sorted(BASE + name for name in PAGES)


def test_the_root_is_a_page_that_leads_to_the_book() -> None:
    html = read("index.html")
    assert re.search(r"<title>.+</title>", html)
    assert '<a href="book/index.html">' in html
    assert '<meta http-equiv="refresh" content="0; url=book/index.html">' in html


def test_the_page_for_what_is_not_there_works_at_any_depth() -> None:
    html = read("404.html")
    targets = re.findall(r'(?:href|src)="([^"]+)"', html)
    own = [t for t in targets if not urlsplit(t).scheme and not t.startswith("#")]
    assert len(own) > 40
    for target in own:
        assert target.startswith(urlsplit(BASE).path), target
        path = urlsplit(urljoin(BASE, target)).path.removeprefix(urlsplit(BASE).path)
        assert (chromium.HTML / path).exists(), target


def test_every_link_and_picture_of_the_book_leads_to_what_is_there() -> None:
    texts = {
        path: path.read_text(encoding="utf-8") for path in chromium.HTML.resolve().rglob("*.html")
    }
    anchors = {
        path: set(re.findall(r'\b(?:id|name)="([^"]+)"', text)) for path, text in texts.items()
    }
    dead = []
    for path, text in texts.items():
        if path.name == "404.html" or "_static" in path.parts:
            continue
        for link in set(re.findall(r'\b(?:href|src)="([^"]+)"', text)):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / parts.path).resolve() if parts.path else path
            there = anchors.get(target, {parts.fragment})
            if not target.exists() or (parts.fragment and parts.fragment not in there):
                dead.append((path.name, link))
    assert dead == []


def test_works_are_labelled_by_authors_and_year() -> None:
    labels = re.findall(
        r'<span class="fn-bracket">\[</span>(.*?)<span', read("book/references.html")
    )
    assert len(labels) > 50
    assert len(set(labels)) == len(labels)
    wrong = [label for label in labels if not re.search(r", (?:\d{4}[a-z]?|n\.d\.)$", label)]
    assert wrong == []


def test_the_first_page_says_what_a_way_through_the_book_costs() -> None:
    costs = re.findall(r'class="path-cost">(.*?)</span>', read("book/index.html"))
    found = re.findall(r"([\d,]+) words(?! a minute)", " ".join(costs))
    words = [int(number.replace(",", "")) for number in found]
    assert len(words) == 3
    assert words == sorted(words)
    assert words[0] < words[2] / 2
