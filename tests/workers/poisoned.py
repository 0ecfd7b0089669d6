"""`enrich` with a dummy classifier that ends its process at certain records, as a broken library would, or is slow.

POISON names them: `segfault=IRI IRI …`, `hang=IRI …`, or `raise=IRI …`. With `slow=FILE`, all that is predicted
takes as many seconds more as the file says, until it is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from enrich.classifiers.data import Record
from enrich.classifiers.dummy import DummyClassifier
from enrich.cli import main

how, _, listed = os.environ["POISON"].partition("=")
poison = frozenset(listed.split())
harmless = DummyClassifier.predict


def predict(self: DummyClassifier, records: Sequence[Record]) -> Any:
    """As ever, but for the poison."""
    if how == "slow":
        with suppress(FileNotFoundError):
            time.sleep(float(Path(listed).read_text()))
    if poison.intersection(record.id for record in records):
        if how == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if how == "hang":
            time.sleep(600)
        raise RuntimeError("poison")
    return harmless(self, records)


DummyClassifier.predict = predict  # type: ignore[method-assign]
sys.exit(main())
