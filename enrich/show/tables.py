"""Tables on a terminal, with nothing of the graph that could harm it."""

import sys

from rich import table
from rich.console import Console
from rich.text import Text

from enrich.classifiers.tables import Table, cell_text
from enrich.show.terminal import printable


def console() -> Console:
    """Rich output on stdout; as wide as it likes when nobody's terminal is at the other end."""
    return Console(soft_wrap=False, width=None if sys.stdout.isatty() else 160)


def print_table(told: Table, out: Console | None = None) -> None:
    """Write a table, on stdout unless another console is given."""
    drawn = table.Table(title=told.title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(told.columns):
        drawn.add_column(column, justify="right" if index in told.numbers else "left", overflow="fold")
    for row in told.rows:
        drawn.add_row(*(Text(printable(cell_text(cell))) for cell in row))
    (out or console()).print(drawn)
