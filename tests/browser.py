"""A real browser for tests of pages: Chromium without a window, and what is looked for in it."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pypdfium2
from playwright.sync_api import Browser, Page, sync_playwright

from tests.servers import missing

PHONE, DESK = 390, 1280
"""Widths in pixels."""
A4 = 688
"""Pixels between the margins of a printed page: 210 mm less twice 14 mm."""
MARGIN = 14 / 25.4 * 72
"""Points of a margin on paper."""

_FAULTS = """() => {
  const wide = document.documentElement.clientWidth, found = [];
  const scrolls = e => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
  const within = e => e.parentElement && (scrolls(e.parentElement) || within(e.parentElement));
  const covered = e => [...e.querySelectorAll("img, svg")].some(i => getComputedStyle(i).mixBlendMode !== "multiply");
  const called = e => `${e.tagName.toLowerCase()} ${(e.getAttribute("aria-label") || e.innerText || e.alt || "").slice(0, 40)}`;
  const broken = e => {
    const texts = document.createTreeWalker(e, NodeFilter.SHOW_TEXT), range = document.createRange();
    for (let text; (text = texts.nextNode());) for (const word of text.data.matchAll(/[\\p{L}\\p{N}]{4,}/gu)) {
      range.setStart(text, word.index); range.setEnd(text, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map(line => Math.round(line.top))).size;
      if (lines > 2 && 2 * lines >= word[0].length) return word[0];
    }
  };
  for (const e of document.body.querySelectorAll("*")) {
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (box.width && !within(e) && (box.right > wide + 1 || box.left < -1)) found.push(`wider than the page: ${called(e)}`);
    const more = e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0;
    if (more && ["hidden", "clip"].includes(style.overflowX)) found.push(`cut off: ${called(e)}`);
    if (more && scrolls(e)) {
      if (PRINTED) found.push(`paper does not scroll: ${called(e)}`);
      else if (style.backgroundImage === "none" || covered(e)) found.push(`nobody sees that it scrolls: ${called(e)}`);
      else if (e.tabIndex !== 0 || !e.ariaLabel) found.push(`no keyboard scrolls it: ${called(e)}`);
    }
    if (PRINTED && !e.checkVisibility({ contentVisibilityAuto: true })) found.push(`not shown on paper: ${called(e)}`);
    if (["TH", "TD"].includes(e.tagName) && broken(e)) found.push(`broken into letters: ${broken(e)}`);
    if (e.tagName === "TH" && !e.scope) found.push(`a head of nothing: ${called(e)}`);
  }
  return found;
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, or the test is skipped."""
    binary = shutil.which("chromium-headless-shell")
    if binary is None:
        missing(
            "there is no `chromium-headless-shell`: apt-get install --no-install-recommends chromium-headless-shell"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, file: Path, width: int, media: str = "screen") -> Iterator[Page]:
    """A page of a file at a width, as on a screen or as it is printed."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    try:
        page.emulate_media(media=media)  # type: ignore[arg-type]
        page.goto(file.resolve().as_uri())
        yield page
    finally:
        page.close()


def faults_at(browser: Browser, file: Path, width: int) -> list[str]:
    """What is wider than the page, or scrolls without showing it; heads of a table that say not of what."""
    with opened(browser, file, width) as page:
        return faults_of(page)


def faults_of(page: Page) -> list[str]:
    """The same of a page that is open."""
    found: list[str] = page.evaluate(_FAULTS.replace("PRINTED", "false"))
    return found


def faults_in_print(browser: Browser, file: Path) -> list[str]:
    """What a printed A4 page cuts off or leaves out: by how it is laid out, and in the PDF itself."""
    with opened(browser, file, A4, "print") as page:
        found: list[str] = page.evaluate(_FAULTS.replace("PRINTED", "true"))
        cells: list[str] = page.evaluate(
            "() => [...document.querySelectorAll('h1,h2,h3,p,th,td,dt,dd,figcaption,summary')].map(e => e.textContent)"
        )
        pdf = page.pdf(prefer_css_page_size=True)
    text, outside = _read(pdf)
    found += [f"not on paper: {cell.strip()[:60]}" for cell in cells if _bare(cell) not in text]
    return found + outside


def _read(pdf: bytes) -> tuple[str, list[str]]:
    """The letters of a PDF, and those that stand in the margin or beyond it."""
    text, outside = "", []
    with pypdfium2.PdfDocument(io.BytesIO(pdf)) as document:
        for number in range(len(document)):
            sheet = document[number]
            letters = sheet.get_textpage()
            text += letters.get_text_range()
            for i in range(letters.count_chars()):
                left, _, right, _ = letters.get_charbox(i)
                if not letters.get_text_range(i, 1).isprintable():
                    continue
                if right > sheet.get_width() - MARGIN + 2 or left < MARGIN - 2:
                    outside.append(
                        f"page {number + 1}: {letters.get_text_range(i, 1)!r} at {left:.0f} to {right:.0f}"
                    )
    return _bare(text), outside


def _bare(text: str) -> str:
    """A text without spaces, and without what a page break or a line break may put in or take out."""
    return re.sub(r"[\s\u00ad\u0002\ufffe-]+", "", text)
