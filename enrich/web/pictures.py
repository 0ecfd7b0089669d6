"""Pictures of records: by record and number, through the product's own fetcher and its limits, never by an address."""

from __future__ import annotations

import io
import time
from html import escape
from typing import Literal

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from PIL import Image

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Picture
from enrich.classifiers.neural.decoding import decode
from enrich.ontology.terms import named_node
from enrich.web import faults
from enrich.web.rendering import words_of
from enrich.web.site import Site, site_of
from enrich.web.who import reader

AT_ONCE = 8
"""Pictures fetched or made smaller at the same time; others wait, and hold no thread that pages need."""
SIDES = {"small": 160, "large": 900}
"""Pixels of the shorter side."""
KEPT, LONGEST = 300.0, 1000
"""Seconds for which the addresses of a record's pictures are remembered, and of how many records."""
_DAY = "private, max-age=86400"

router = APIRouter(dependencies=[Depends(reader)])


@router.get("/picture")
async def picture(
    request: Request, record: str, n: int = Query(1, ge=1), size: Literal["small", "large"] = "large"
) -> Response:
    """A picture of a record as JPEG: nothing but its pixels. One that is not to be had is a drawing that says why."""
    site = site_of(request)
    limiter: CapacityLimiter = request.app.state.__dict__.setdefault("_pictures", CapacityLimiter(AT_ONCE))
    found = await anyio.to_thread.run_sync(_find, site, record, n, limiter=limiter)
    if found is None:
        return faults.fault(request, 404)
    if found.path is not None:
        tag = f'"{found.sha256}-{size}"'
        headers = {"ETag": tag, "Cache-Control": _DAY}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        pixels = await anyio.to_thread.run_sync(_smaller, site, found, SIDES[size], limiter=limiter)
        if isinstance(pixels, bytes):
            return Response(pixels, media_type="image/jpeg", headers=headers)
        found = pixels
    return _missing(request, found)


def _find(site: Site, record: str, n: int) -> Picture | None:
    """The n-th picture with its file, or with the reason why there is none; None where the record has not so many."""
    known = _of_record(site, record)
    if n > len(known):
        return None
    if n > site.settings.media.per_record:
        return Picture(known[n - 1].url, failure="too many pictures")
    return known[n - 1] if known[n - 1].failure else site.pictures.get(known[n - 1])


def _of_record(site: Site, record: str) -> tuple[Picture, ...]:
    now = time.monotonic()
    kept = site.pictures_of.get(record)
    if kept is None or kept[0] < now:
        with site.workspace() as workspace:
            kept = now + KEPT, workspace.reader.pictures(named_node(record))
        if len(site.pictures_of) >= LONGEST:
            site.pictures_of.clear()
        site.pictures_of[record] = kept
    return kept[1]


def _smaller(site: Site, found: Picture, side: int) -> bytes | Picture:
    media = site.settings.media
    assert found.path is not None
    try:
        pixels = decode(found.path, side, max_pixels=media.max_pixels, max_bytes=media.max_bytes)
    except ClassifierError as error:
        return Picture(found.url, failure=str(error))
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=85)
    return target.getvalue()


def _missing(request: Request, found: Picture) -> Response:
    """Why there is no picture: a page for who follows the link, a drawing where a picture was to be."""
    reason = found.failure or "not to be had"
    if "text/html" in request.headers.get("accept", ""):
        return faults.fault(request, 404, reason)
    words, lines = [words_of(request)("record.no_picture"), *reason.split()], [""]
    for word in words:
        lines = [*lines[:-1], f"{lines[-1]} {word}"] if len(lines[-1]) + len(word) < 34 else [*lines, word]
    text = "".join(
        f'<text x="12" y="{28 + 20 * i}">{escape(line.strip()[:40])}</text>'
        for i, line in enumerate(lines[:9])
    )
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 200" width="300" height="200">'
        f'<rect width="300" height="200" fill="#eee"/><g font-family="sans-serif" font-size="15" fill="#444">{text}</g></svg>'
    )
    return Response(drawing, 404, {"Cache-Control": "no-store"}, "image/svg+xml")
