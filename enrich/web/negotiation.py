"""Which of several media types a client would rather have, by its Accept header."""

from __future__ import annotations

from collections.abc import Sequence


def preferred(accept: str | None, offered: Sequence[str]) -> str | None:
    """The media type offered that Accept gives the highest q, the first of equals; None where it takes none of them.

    Of the ranges that fit a type the most specific says its q. A missing or empty header takes anything.
    """
    if not accept or not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    wishes = [(_wish(media, ranges), -place, media) for place, media in enumerate(offered)]
    quality, _, best = max(wishes)
    return best if quality > 0 else None


def _range(part: str) -> tuple[str, float]:
    """A media range and its q; parameters other than q are not told apart."""
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = min(max(float(value), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return media, quality


def _wish(media: str, ranges: Sequence[tuple[str, float]]) -> float:
    fits = {media: 3, f"{media.partition('/')[0]}/*": 2, "*/*": 1}
    found = [(fits[name], quality) for name, quality in ranges if name in fits]
    return max(found)[1] if found else 0.0
