"""importing timm and transformers works whichever torchvision is installed."""

from __future__ import annotations

import subprocess
import sys


def test_timm_and_transformers_import_in_a_fresh_process() -> None:
    code = (
        "from classifiers.neural.libraries import prepare\n"
        "first = prepare()\n"
        "import timm, torchvision, transformers\n"
        "assert prepare() == first\n"
        "timm.create_model('test_resnet', pretrained=False)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
