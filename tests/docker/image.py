"""The file system of a container of compose.yaml, without containers: a read-only root, its volumes, no rights.

A mount namespace shows the root of this machine read-only, the volumes of a service as folders of the test at
the places where compose mounts them, and an empty /tmp; commands run there without any capability.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())[
    "services"
]
_SCRIPT = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs {layers}
mkdir {layers}/up {layers}/work {layers}/root
mount -t overlay -o lowerdir=/,upperdir={layers}/up,workdir={layers}/work overlay {layers}/root
cd {layers}/root
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs tmp
mkdir -p museum
{mounts}
mount -o remount,ro,bind {layers}/root
exec chroot {layers}/root setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \\
  env --chdir=/museum "$@"
"""


def image_environment() -> dict[str, str]:
    """The variables that the Dockerfile sets in the last stage, but for PATH."""
    last = (ROOT / "docker" / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    said = re.sub(r"\\\n", " ", last)
    pairs = [p for line in said.splitlines() if line.startswith("ENV ") for p in shlex.split(line)[1:]]
    return {name: value for name, _, value in (p.partition("=") for p in pairs) if name != "PATH"}


@dataclass
class Image:
    """A service's container, whose volumes are folders below `folder`."""

    folder: Path
    environment: Mapping[str, str]
    service: str = "worker"

    def mounts(self, more: Mapping[str, str]) -> dict[str, tuple[Path, bool]]:
        """Where a container sees what, and whether it may only read."""
        found: dict[str, tuple[Path, bool]] = {}
        for said in [*SERVICES[self.service]["volumes"], *(f"{a}:{b}" for a, b in more.items())]:
            source, place, *mode = said.split(":")
            path = self.folder / Path(source).name
            if not path.exists():
                path.mkdir()
            found[place] = (path, mode == ["ro"])
        for program in {ROOT, Path(sys.prefix), Path(sys.base_prefix)}:
            found[str(program)] = (program, True)
        return found

    def command(self, words: list[str], more: Mapping[str, str] | None = None) -> list[str]:
        """How to run something in the container; `more` are mounts of this call."""
        layers = self.folder / "layers"
        layers.mkdir(exist_ok=True)
        lines = []
        for place, (path, read_only) in sorted(self.mounts(more or {}).items()):
            at = shlex.quote(place.lstrip("/"))
            lines.append(f"mkdir -p {at}" if path.is_dir() else f"touch {at}")
            lines.append(f"mount --bind {shlex.quote(str(path))} {at}")
            lines += [f"mount -o remount,ro,bind {at}"] * read_only
        script = _SCRIPT.format(layers=shlex.quote(str(layers)), mounts="\n".join(lines))
        said = {
            **SERVICES[self.service]["environment"],
            **image_environment(),
            "HOME": "/museum",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            **self.environment,
        }
        variables = [f"{name}={value}" for name, value in said.items()]
        return ["unshare", "--mount", "bash", "-c", script, "bash", *variables, *words]

    def enrich(self, *words: str, more: Mapping[str, str] | None = None) -> str:
        """Run the command of the image; what it wrote to stdout."""
        return self.run([sys.executable, "-m", "enrich", *words], more)

    def run(self, words: list[str], more: Mapping[str, str] | None = None) -> str:
        """Run a program; the test fails when that does."""
        done = subprocess.run(
            self.command(words, more), capture_output=True, text=True, timeout=240, check=False
        )
        if done.returncode:
            pytest.fail(f"{' '.join(words)}: {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout


def can_be_emulated(folder: Path) -> bool:
    """Whether a mount namespace with an overlay can be made here."""
    if not all(shutil.which(name) for name in ("unshare", "setpriv", "chroot")):
        return False
    probe = folder / "probe"
    probe.mkdir()
    command = Image(probe, {}).command(["true"])
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
