"""The documents as they are followed: their blocks, and a shell in which they are typed."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.warm import python

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").glob("*.md") if p.name != "reference.md")]
"""What is followed. The reference is made from the code."""
PRELUDE = """set -e -o pipefail
enrich() { $PYTHON -m enrich "$@"; }
a_record() { enrich query predictions --format csv | sed -n 2p | cut -d, -f1; }
a_prediction() { enrich query predictions --format csv | sed -n 3p | tr -d '\\r' | rev | cut -d, -f1 | rev; }
a_run() { enrich query runs --format csv | sed -n 2p | cut -d, -f1; }
"""
PLACES = {"RECORD": '"$(a_record)"', "RUN": '"$(a_run)"', "PREDICTION": '"$(a_prediction)"'}
"""What a reader puts in for a word in capitals."""
_BLOCK = re.compile(r"^(##+ [^\n]*)$|^```([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """What stands between two fences: commands where no `kind` is named."""

    page: str
    heading: str
    kind: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    found, heading = [], ""
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if match[1]:
            heading = match[1].lstrip("# ")
        else:
            found.append(Block(page.name, heading, match[2], match[3]))
    return found


def commands(page: str, *headings: str) -> str:
    """The commands under some headings of a page, or all."""
    (path,) = (p for p in PAGES if p.name == page)
    found = [b for b in blocks(path) if b.kind == "" and (not headings or b.heading in headings)]
    assert {b.heading for b in found} >= set(headings), f"{page} has no commands under one of {headings}"
    return "".join(b.text for b in found)


def follow(folder: Path, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Type commands as a person would in a shell; they must all succeed."""
    for word, meant in PLACES.items():
        text = re.sub(rf"(?<![\w$]){word}(?!\w)", lambda _: meant, text)  # noqa: B023
    known = {k: v for k, v in os.environ.items() if not k.startswith("ENRICH_STORE")}
    done = subprocess.run(
        ["bash", "-c", PRELUDE + text],
        cwd=folder,
        env={**known, "PYTHON": " ".join(python()), "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done
