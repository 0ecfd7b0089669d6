"""Writes docs/reference.md from the code: every verb with its help, every setting, query and exit code.

Run as `python -m enrich.cli.reference FILE`; a test compares the file with what this would write.
"""

import inspect
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from enrich import errors
from enrich.classifiers.registry import (
    BACK_ENDS,
    CLASSIFIERS,
    DEFAULTS,
    FUSERS,
    classifier_class,
    fuser_class,
)
from enrich.classifiers.tables import Table
from enrich.cli import main
from enrich.cli.app import verbs
from enrich.ontology.queries import named_query, query_names
from enrich.settings.loading import setting_rows
from enrich.show.named import settable

WIDTH = 80


def reference() -> str:
    """The whole page as Markdown."""
    return "\n".join([HEAD, *_verbs(), *_settings(), *_classifiers(), *_queries(), *_exit_codes()]) + "\n"


HEAD = """# Reference

Made from the code by `make docs`; a test keeps it true. Begin with [Start](index.md).
"""


def _section(title: str, text: str) -> Iterator[str]:
    yield from (f"## {title}", "", text, "")


def _verbs() -> Iterator[str]:
    yield from _section(
        "Commands",
        "`--config FILE` and `--debug` may stand anywhere on the line. With `--json` stdout holds one JSON object and nothing "
        'else: lists have names (`enrich runs --json` is `{"runs": […]}`), and `enrich query NAME --json` answers as '
        "SPARQL 1.1 Query Results JSON. Files and pipes are written in UTF-8. `worker`, `beat` and `web` work until they are "
        "stopped; the first two log JSON to stderr, an object a line.",
    )
    for words in [[], *verb_names()]:
        yield from (
            f"### {' '.join(['enrich', *words])}",
            "",
            "```",
            *help_text(words).splitlines(),
            "```",
            "",
        )


def verb_names() -> list[list[str]]:
    """The words of every verb, those of subcommands included."""
    return [words for name, verb in verbs().items() for words in _within([name], verb.load(name))]


def _within(words: list[str], command: Any) -> Iterator[list[str]]:
    """The verbs of a group, and the group itself where it does something when called alone."""
    inner = getattr(command, "commands", {})
    if not inner or command.invoke_without_command:
        yield words
    for name, part in inner.items():
        yield from _within([*words, name], part)


def help_text(words: list[str]) -> str:
    """What `enrich WORDS --help` prints on a terminal of 80 columns."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(WIDTH)
    try:
        with redirect_stdout(io.StringIO()) as out:
            main([*words, "--help"])
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def _settings() -> Iterator[str]:
    yield from _section(
        "Settings",
        "Keys of `enrich.toml`; `store.timeout` is `timeout` in the table `[store]`. The environment overrides the "
        "file: `ENRICH_STORE__TIMEOUT`. A list in the environment is written between commas, a table as JSON.",
    )
    yield from _table(setting_rows())


def _table(rows: Iterable[tuple[str, str, str, str]]) -> Iterator[str]:
    cells = [(f"`{key}`", kind, f"`{default}`" if default else "", text) for key, kind, default, text in rows]
    yield Table(("key", "kind", "default", "meaning"), cells).markdown() if cells else ""


def _classifiers() -> Iterator[str]:
    yield from _section(
        "Settings of what learns",
        "Keys of `[train.options.MODALITY]`, beside `folds` (folds of this member, instead of `train.folds`) and "
        "`back_end` (the classifier, where it is not the modality's own). A table within that is named like a back "
        "end holds what is said of that one alone; `loss.gamma` is `gamma` in the table `loss`. A key that is not "
        "listed is refused.",
    )
    for name in CLASSIFIERS:
        kind = classifier_class(name)
        back_ends = {classifier: alias for alias, classifier in BACK_ENDS.items()}
        asked = "" if DEFAULTS.get(kind.modality) == name else f', `back_end = "{back_ends.get(name, name)}"`'
        taken = ", ".join(f"`train.{key}`" for key in kind.shared if key != "museum")
        yield from (f"### Classifier {name}", "")
        yield f"{kind.settings_class.__doc__} `[train.options.{kind.modality}]`{asked}."
        yield from (
            "",
            f"Not given here, {taken} counts." if taken else "No setting of `[train]` reaches it.",
            "",
        )
        names = kind.option_names
        yield from _table(
            row for row in setting_rows(kind.settings_class) if names is None or row[0] in names
        )
    for name in FUSERS:
        fuser = fuser_class(name)
        yield from (f"### Fusion {name}", "")
        yield f'{fuser.settings_class.__doc__} `[train.options.fusion]`, `name = "{name}"`.'
        yield ""
        yield from _table(setting_rows(fuser.settings_class))


def _queries() -> Iterator[str]:
    yield from _section(
        "Named queries",
        "`enrich query NAME`; a parameter is given as `--set record=IRI` or `--set confidence=0.9`. `order` names columns, "
        "such as `property,-confidence`: a minus puts the greatest first. An answer whose gap the facts have filled since is "
        "left out; `overtaken` has those alone.",
    )
    found = [named_query(name) for name in query_names()]
    asked = [", ".join(f"`{p}`" for p in settable(q)) for q in found]
    rows = [(f"`{q.name}`", names, q.description) for q, names in zip(found, asked, strict=True)]
    yield Table(("query", "parameters", "what it answers"), rows).markdown()


def _exit_codes() -> Iterator[str]:
    yield from _section(
        "Exit codes",
        "What goes wrong is said in one line on stderr; with `--json` that line is an object, such as "
        '`{"error": {"message": "no run is called …", "exit_code": 6, "kind": "RunError"}}`, and stdout is empty. 0 is '
        "success, also when whoever read the output has gone (`enrich query … | head`); 130 an interruption. `run`, `load`, "
        "`health`, `profile check`, `job --follow`, and `review export|import|accept|reject|correct|undecided|undo` answer "
        "in full and still end with a code of their own where their help says so. Otherwise:",
    )
    yield from ("```", *(inspect.getdoc(errors) or "").splitlines()[2:], "```")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
