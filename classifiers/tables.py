"""The one table: as Markdown here, and on a terminal by whoever draws one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Columns and rows; `numbers` are the columns set to the right. Numbers that are not whole have `digits`.

    Where there is no room for all columns, those of `spare` are left out, the first of them first.
    """

    columns: Sequence[str]
    rows: Iterable[Sequence[object]]
    title: str | None = None
    numbers: Sequence[int] = ()
    digits: int = 3
    spare: Sequence[int] = ()

    def markdown(self) -> str:
        """The table as Markdown; a cell stays on its line and in its column."""
        rule = ["---:" if i in self.numbers else "---" for i in range(len(self.columns))]
        rows = [[markdown_cell(cell, self.digits) for cell in row] for row in self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in (self.columns, rule, *rows))


def cell_text(cell: object, digits: int = 3) -> str:
    """A value as a table shows it; None and NaN as a dash."""
    if cell is None or cell != cell:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.{digits}f}"
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


def markdown_cell(cell: object, digits: int = 3) -> str:
    """The same for Markdown: it stays on its line and in its column."""
    return cell_text(cell, digits).replace("|", "\\|").replace("\n", " ")
