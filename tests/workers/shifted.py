"""`enrich` on a machine whose clock is wrong by CLOCK_SHIFT seconds."""

from __future__ import annotations

import datetime as module
import os
import sys
import time
from typing import Any

SHIFT = float(os.environ["CLOCK_SHIFT"])
right_time, right = time.time, module.datetime


class Shifted(right):  # type: ignore[valid-type, misc]
    """A datetime whose now is wrong."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        """The wrong time."""
        return right.now(tz) + module.timedelta(seconds=SHIFT)


time.time = lambda: right_time() + SHIFT
module.datetime = Shifted  # type: ignore[misc]

from enrich.cli import main  # noqa: E402 - what it imports must see the wrong clock

sys.exit(main())
