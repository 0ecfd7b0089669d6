"""SHA-256 digests, in hexadecimal."""

import hashlib
import json
from pathlib import Path


def file_digest(path: Path) -> str:
    """Of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_digest(text: str) -> str:
    """Of a text in UTF-8; lone surrogates, which UTF-8 has no bytes for, are kept apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def json_digest(value: object) -> str:
    """Of JSON values, whatever the order of their keys."""
    return text_digest(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")))
