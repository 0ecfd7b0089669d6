"""Lists of records and splits: what is read, and what is refused with its line."""

from __future__ import annotations

import contextlib
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import NamedNode

from enrich.errors import InputError
from enrich.graph.record_files import read_records, read_splits

A, B, C = (f"https://museum.example.org/object/{name}" for name in "abc")


def file_of(tmp_path: Path, text: str, name: str = "records.tsv") -> Path:
    """A file with this text, compressed when its name says so."""
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        f"{A}\n{B}\n",
        f"{A}\r\n{B}",
        f"# a list\n\n<{A}>\n  {B}  \n{A}\n",
        f"record\n{A}\n{B}\n",
        f"museum\trecord\tnote\nx\t{A}\t\ny\t{B}\tz\n",
        f"\ufeff{A}\n{B}\n",
        f'name,record,note\r\n"Fan, of silk",{A},\r\nx,{B},"two\nlines"\r\n',
        f"?record\t?value\n<{A}>\t<{B}>\n<{B}>\t<{A}>\n",
        f"record,record\n{B},{A}\n{A},{B}\n",
    ],
)
def test_lists_in_any_shape_give_the_same_records(tmp_path: Path, text: str) -> None:
    for name in ("records.tsv", "records.tsv.gz"):
        assert read_records(file_of(tmp_path, text, name)) == [NamedNode(A), NamedNode(B)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{A}\nobject 7\n", "line 2: not an absolute IRI: 'object 7'"),
        (f"museum\tobject\nx\t{A}\n", "none is called record"),
        (f"museum\trecord\nx\n{A}\ty\n", "line 2: not an absolute IRI: ''"),
        (f'name,record\n"a\nb",{A}\nx,7\n', "line 4: not an absolute IRI: '7'"),
        ("<script>\n", "line 1"),
    ],
)
def test_what_is_no_record_is_refused_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_records(file_of(tmp_path, text))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        read_records(tmp_path / "none.txt")
    (tmp_path / "bad.gz").write_bytes(b"not gzip")
    with pytest.raises(InputError, match=r"bad\.gz cannot be read"):
        read_records(tmp_path / "bad.gz")
    (tmp_path / "latin.txt").write_bytes(b"urn:a\nurn:\xe9\n")
    with pytest.raises(
        InputError, match=r"latin\.txt, line 2 is not UTF-8 text; save it as UTF-8 .in Excel: CSV UTF-8."
    ):
        read_records(tmp_path / "latin.txt")


@given(st.lists(st.text(max_size=40), max_size=8))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("any") / "records.txt"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    found: list[NamedNode] = []
    with contextlib.suppress(InputError):
        found = read_records(path)
    assert len(set(found)) == len(found) <= len(lines) * 40


def test_splits_keep_their_order(tmp_path: Path) -> None:
    text = f"museum\trecord\tsplit\nx\t{B}\ttrain\nx\t{A}\tdev\nx\t{C}\ttrain\nx\t{C}\ttrain\n"
    for name in ("splits.tsv", "splits.tsv.gz"):
        for said in (text, text.replace("\t", ",")):
            splits = read_splits(file_of(tmp_path, said, name))
            assert splits == {"train": [NamedNode(B), NamedNode(C)], "dev": [NamedNode(A)]}


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_is_read_like_a_file(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    """Given a list, then splits, on standard input, as they are or packed, when `-` is read, then so are they."""

    def given_on_stdin(text: str) -> None:
        data = gzip.compress(text.encode()) if packed else text.encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    given_on_stdin(f"{A}\n{B}\n")
    assert read_records(Path("-")) == [NamedNode(A), NamedNode(B)]
    given_on_stdin(f"record,split\n{A},dev\n")
    assert read_splits(Path("-")) == {"dev": [NamedNode(A)]}
    given_on_stdin("museum\n")
    with pytest.raises(InputError, match="standard input"):
        read_splits(Path("-"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"record\n{A}\n", "no column split"),
        ("", "no column record and split"),
        (f"record\tsplit\n{A}\ttrain\n{A}\tdev\n", "is in train and in dev"),
        ("record\tsplit\nx\ttrain\n", "line 2: not an absolute IRI"),
    ],
)
def test_splits_that_cannot_be_used_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_splits(file_of(tmp_path, text))
