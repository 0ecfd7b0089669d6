"""Tables and trees on a terminal: as wide as it is, page by page where it is too low, and with nothing of the graph
that could harm it."""

import os
import pydoc
import sys
from dataclasses import replace
from functools import partial

from rich import table
from rich.console import Console, Group, RenderableType
from rich.text import Text

from enrich.classifiers.tables import Table, cell_text
from enrich.show.terminal import printable

WIDE = 160
"""Columns of a line where there is no terminal, and COLUMNS does not say."""
WRAPPED = 32
"""Letters of a cell that may stand in several lines: from there on a column is narrowed before another is left out."""


def console() -> Console:
    """Rich output on stdout; as wide as the terminal, or as COLUMNS says."""
    told = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(soft_wrap=False, highlight=False, width=None if told else WIDE)


def print_table(told: Table, out: Console | None = None) -> None:
    """Write a table, on stdout unless another console is given."""
    paged, out = out is None, out or console()
    text = partial(cell_text, digits=told.digits)
    told = replace(told, rows=[[printable(text(cell)) for cell in row] for row in told.rows])
    left_out = _without_room(told, out.width)
    drawn = table.Table(box=None, pad_edge=False, header_style="bold")
    kept = [n for n in range(len(told.columns)) if n not in left_out]
    for n in kept:
        drawn.add_column(
            told.columns[n],
            justify="right" if n in told.numbers else "left",
            overflow="fold",
            no_wrap=n in told.numbers,
        )
    for row in told.rows:
        drawn.add_row(*(Text(str(row[n])) for n in kept))
    names = ", ".join(told.columns[n] for n in sorted(left_out))
    title = [Text(told.title, style="italic")] if told.title else []
    whole = Group(*title, drawn, *([Text(f"no room for: {names}", style="dim")] if names else []))
    if paged:
        print_long(whole)
    else:
        out.print(whole)


def _without_room(told: Table, width: int) -> set[int]:
    """The spare columns that have to go, so that the others stand side by side."""
    needed = [
        max([Text(head).cell_len, *(min(WRAPPED, Text(str(row[n])).cell_len) for row in told.rows)])
        for n, head in enumerate(told.columns)
    ]
    gone: set[int] = set()
    for n in told.spare:
        if sum(needed[n] + 2 for n in range(len(needed)) if n not in gone) - 2 <= width:
            break
        gone.add(n)
    return gone


def print_long(what: RenderableType) -> None:
    """Write to stdout; what is longer than the terminal goes through its pager (PAGER, or less)."""
    out = console()
    if not (out.is_terminal and sys.stdin.isatty()):
        out.print(what)
        return
    with out.capture() as captured:
        out.print(what)
    text = captured.get()
    if text.count("\n") < out.height:
        sys.stdout.write(text)
    else:
        os.environ.setdefault("LESS", "FRX")
        pydoc.pager(text)


def print_text(text: str) -> None:
    """A sentence on stdout, in lines that fit."""
    console().print(Text(printable(text), overflow="fold"))
