"""Digests of files, texts and values: SHA-256 in hexadecimal, or a number of eight bytes."""

import hashlib
import json
from pathlib import Path


def file_digest(path: Path) -> str:
    """Of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digests(path: Path) -> dict[str, str]:
    """Of a file, or of each file of a folder, by name; nothing where there is neither."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return {file.name: file_digest(file) for file in files if file.is_file()}


def bytes_digest(data: bytes) -> str:
    """Of bytes."""
    return hashlib.sha256(data).hexdigest()


def text_digest(text: str) -> str:
    """Of a text in UTF-8; lone surrogates, which UTF-8 has no bytes for, are kept apart."""
    return bytes_digest(text.encode("utf-8", "surrogatepass"))


def short_digest(text: str) -> int:
    """Of a text, as a number of eight bytes: of 10⁷ texts two having the same is 3 in 10⁶ likely."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def json_digest(value: object) -> str:
    """Of JSON values, whatever the order of their keys."""
    return text_digest(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")))
