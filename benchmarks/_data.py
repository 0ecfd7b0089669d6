"""Where the museums' data of a benchmark is: ENRICH_DATA, or ../shared/data beside the repository."""

from __future__ import annotations

import os
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("ENRICH_DATA") or REPOSITORY.parent / "shared" / "data")


def data_or_skip(part: str, folder: Path = FOLDER) -> Path:
    """The file or folder of this name; ends the benchmark well, with a sentence, when it is not there."""
    if not (folder / part).exists():
        print(f"skipped: no {folder / part}; name the museums' data by ENRICH_DATA")
        sys.exit(0)
    return folder / part
