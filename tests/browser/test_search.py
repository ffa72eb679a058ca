"""What a reader types into the search, and where it leads."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import chromium
import pytest
from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

FIRST = {
    # What readers did not find.
    "top-p": "book/03_2_2_ar_steps.html#cutting-the-tail",
    "nucleus sampling": "book/03_2_2_ar_steps.html#cutting-the-tail",
    "transformer": "book/03_2_2_ar_steps.html#the-transformer-part-by-part",
    "MNIST": "book/04_3_mnist_case.html#",
    "dropout": "book/api/",
    "errata": "book/10_errata.html#",
    "glossary": "book/glossary.html#",
    "generator": "book/0",
    # A name from the package, with and without what stands before it.
    "SamplingConfig": "book/api/ar.html#aigc_tutorial.ar.SamplingConfig",
    "keep_top_p": "book/api/ar.html#aigc_tutorial.ar.generation.sampling.keep_top_p",
    # Ideas under the name that the field gives them.
    "mode collapse": "book/03_3_strengths_limits.html#first-failure-mode-collapse",
    "teacher forcing": "book/03_2_2_ar_steps.html#step-3-training-is-teacher-forcing",
    "beam search": "book/03_2_2_ar_steps.html#beam-search-the-most-probable-text",
    "speculative decoding": "book/03_2_2_ar_steps.html#speculative-decoding",
    "perplexity": "book/04_2_2_ar_math.html#perplexity-and-bits",
    "wasserstein distance": "book/04_2_1_gan_math.html#wasserstein-another-distance",
    "frechet distance": "book/05_4_results.html#how-far-apart-are-two-clouds",
    "FID": "book/05_4_results.html#how-far-apart-are-two-clouds",
    "two-sample test": "book/05_4_results.html#can-a-fresh-network-tell",
    "chain rule": "book/04_2_2_ar_math.html#the-chain-rule",
    "E71": "book/10_errata.html#run-E71",
    # Questions as people type them; small words weigh nothing.
    "what is a GAN": "book/02_1_concepts.html#generative-adversarial-network",
    "how to install": "book/05_1_environment.html#five-ways-to-install",
    "why is my loss nan": "book/09_faq.html#question-nan-in-half-precision",
    "learning rate": "book/02_1_concepts.html#optimizer",
    "FID score": "book/05_4_results.html#how-far-apart-are-two-clouds",
    "transformer vs rnn": "book/0",
    "difference between GAN and diffusion": "book/0",
    "how do I train my own model": "book/0",
    "ChatGPT": "book/02_1_concepts.html#generative-pre-training",
    # Misspelt.
    "tempreature": "book/03_2_2_ar_steps.html#temperature",  # codespell:ignore tempreature
    "discriminater": "book/0",  # codespell:ignore discriminater
    # Questions and terms come after the chapters, and alone where no chapter has the words.
    "checkerboard": "book/09_faq.html#",
}


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport=chromium.WIDE)
    yield page
    page.close()


def search(page: Page, address: str, query: str) -> list[str]:
    """Return where the results lead, best first, from the book's root."""
    page.goto(f"{address}/search.html?{urlencode({'q': query})}")
    page.wait_for_selector("#search-results [role=status]")
    links = "(links) => links.map((link) => link.getAttribute('href'))"
    found: list[str] = page.locator("#search-results li > a").evaluate_all(links)
    return found


@pytest.mark.parametrize("query", FIRST)
def test_the_first_result_is_the_place(page: Page, addresses: dict[str, str], query: str) -> None:
    results = search(page, addresses["file"], query)
    assert results, "nothing was found"
    assert re.sub(r"\?[^#]*", "", results[0]).startswith(FIRST[query])


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_a_result_leads_to_its_section_with_the_words_marked(
    page: Page, addresses: dict[str, str], scheme: str
) -> None:
    page.goto(f"{addresses[scheme]}/search.html")
    page.locator("#main-content input[name=q]").fill("top-p")
    page.locator("#main-content input[name=q]").press("Enter")
    page.locator("#search-results li > a").first.click()
    page.wait_for_selector(".bd-article mark")
    marks = page.locator("#cutting-the-tail mark")
    assert {re.sub("[-_]", " ", text.lower()) for text in marks.all_text_contents()} == {
        "top p",
        "nucleus",
    }
    assert marks.count() >= 2
    page.wait_for_timeout(500)
    seen = "(e) => [e.getBoundingClientRect().top].every((top) => 0 <= top && top < innerHeight)"
    assert any(mark.evaluate(seen) for mark in marks.all()), "no mark is on the screen"
    page.keyboard.press("Escape")
    assert page.locator(".bd-article mark").count() == 0


def test_chapters_come_before_the_reference_and_works_last(
    page: Page, addresses: dict[str, str]
) -> None:
    results = search(page, addresses["file"], "discriminator")
    kinds = [
        "reference" if "/api/" in r else "works" if "references" in r else "book" for r in results
    ]
    assert set(kinds) >= {"book", "reference"}
    assert kinds == sorted(kinds, key=["book", "reference", "works"].index)


def test_every_result_leads_to_something(page: Page, addresses: dict[str, str]) -> None:
    for query in ("gradient", "sample", "goodfellow"):
        for result in search(page, addresses["file"], query):
            parts = urlsplit(result)
            assert parse_qs(parts.query)["marks"]
            html = (chromium.HTML / parts.path).read_text(encoding="utf-8")
            assert f'id="{parts.fragment}"' in html, result


def test_a_word_that_is_nowhere_is_told(page: Page, addresses: dict[str, str]) -> None:
    assert search(page, addresses["file"], "xylophone<b>") == []
    told = page.locator("#search-results [role=status]").text_content() or ""
    assert told.startswith("Nothing in the book holds")
    assert "xylophone<b>" in told


def test_of_words_that_no_place_holds_together_the_rare_ones_are_found(
    page: Page, addresses: dict[str, str]
) -> None:
    results = search(page, addresses["file"], "checkerboard xylophone")
    assert "09_faq" in results[0]
    told = page.locator("#search-results [role=status]").text_content() or ""
    assert told.startswith("No place holds all the words of “checkerboard xylophone”.")


def test_a_word_that_is_misspelt_is_told(page: Page, addresses: dict[str, str]) -> None:
    assert search(page, addresses["file"], "tempreature")  # codespell:ignore tempreature
    told = page.locator("#search-results [role=status]").text_content() or ""
    expected = "“tempreature” stands nowhere in the book"  # codespell:ignore tempreature
    assert told.startswith(f"{expected}, “temperature” does.")


def test_only_the_search_page_loads_the_sections(
    browser: Browser, addresses: dict[str, str]
) -> None:
    page = browser.new_page()
    visit = chromium.watch(page)
    page.goto(f"{addresses['http']}/book/01_background.html")
    chromium.wait_until_drawn(page)
    assert not [
        url for url in visit.requests if re.search("search-sections|searchindex|searchtools", url)
    ]
    page.goto(f"{addresses['http']}/search.html?q=gan")
    page.wait_for_selector("#search-results li")
    assert [url for url in visit.requests if "search-sections" in url]
    assert visit.errors == []
    page.close()


def test_the_field_of_every_page_leads_to_the_results(
    page: Page, addresses: dict[str, str]
) -> None:
    page.goto(f"{addresses['file']}/book/api/gan.html")
    page.keyboard.press("Control+k")
    page.locator("#pst-search-dialog input").fill("beam search")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li")
    assert "search.html?q=beam+search" in page.url
