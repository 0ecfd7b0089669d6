"""The site of the documents: built without a warning, whole, and by itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser

from tests.browser import DESK, PHONE, opened
from tests.docs.followed import ROOT


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of the documents in a folder, as `make docs` does."""
    zensical = Path(sys.executable).parent / "zensical"
    command = [str(zensical), "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    return folder


@pytest.fixture(scope="module")
def site(sources: Path) -> Path:
    done = build(sources)
    assert done.returncode == 0, done.stdout + done.stderr
    return sources / "build" / "site"


def named(nav: object) -> list[str]:
    """The pages that a part of the navigation names."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in named(part)]  # type: ignore[union-attr]


def test_the_navigation_names_every_page_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert sorted(named(nav)) == sorted(p.name for p in (ROOT / "docs").glob("*.md"))


def test_a_broken_link_stops_the_build(sources: Path, tmp_path: Path) -> None:
    shutil.copytree(sources, tmp_path / "copy", ignore=lambda *_: ["build"])
    with (tmp_path / "copy" / "docs" / "limits.md").open("a") as page:
        page.write("\n[gone](promise.md#nowhere)\n")
    assert build(tmp_path / "copy").returncode != 0


def test_it_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img|iframe)[^>]*(?:src|href)="?(https?:[^" >]+)', page.read_text("utf-8")
        )
        assert [address for address in loaded if "data.example.org" not in address] == [], page


@pytest.mark.parametrize("name", ["", "sparql", "promise", "reference"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_page_is_wider_than_the_screen(site: Path, browser: Browser, name: str, width: int) -> None:
    with opened(browser, site / name / "index.html", width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
