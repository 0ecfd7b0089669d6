"""Local folders that hold what URLs with a certain prefix would give."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from enrich.errors import SettingsError
from enrich.media.refusal import Kind, Refusal


class Mirrors:
    """Maps URL prefixes to folders, the longest prefix first. Nothing outside a folder is ever given.

    A prefix ends where a path segment ends: `https://a.org/img` covers `https://a.org/img/1.jpg` and not
    `https://a.org/img2/1.jpg`. Raises SettingsError when a folder is not there.
    """

    def __init__(self, mirrors: Mapping[str, Path]) -> None:
        self._folders: list[tuple[str, Path]] = []
        for prefix, folder in mirrors.items():
            if not folder.is_dir():
                raise SettingsError(f"media.mirrors: {folder}, the mirror of {prefix}, is not a folder")
            self._folders.append((prefix.rstrip("/") + "/", folder.resolve()))
        self._folders.sort(key=lambda item: -len(item[0]))

    def find(self, url: str) -> Path | None:
        """The local file for a URL; None when no prefix covers it. Raises Refusal when it cannot be given."""
        for prefix, folder in self._folders:
            if url.startswith(prefix):
                return _inside(folder, url[len(prefix) :])
        return None


def _inside(folder: Path, rest: str) -> Path:
    name = unquote(rest.split("#")[0].split("?")[0])
    segments = name.split("/")
    if "\0" in name or "\\" in name or any(segment in ("", ".", "..") for segment in segments):
        raise Refusal(f"URL leads to no file of the mirror: {rest[:100]!r}")
    try:
        path = folder.joinpath(*segments).resolve()
        if not path.is_relative_to(folder):
            raise Refusal(f"URL leads out of the mirror: {rest[:100]!r}")
        if not path.is_file():
            raise Refusal(f"the mirror has no file {name[:100]!r}", Kind.MISSING)
    except (OSError, RuntimeError, UnicodeError) as error:
        raise Refusal(f"the mirror's file cannot be read: {error}", Kind.STORAGE) from error
    return path
