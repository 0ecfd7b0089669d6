"""The `enrich` command: one line on stderr and an exit code for whatever goes wrong.

Exit codes: 0 done; 1 anything else; 2 a setting, option, profile or input file; 3 the store; 4 a model;
5 the shapes; 6 a run; 7 the broker; 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence

from typer import Abort, TyperException
from typer.main import get_command

from enrich.classifiers.extras import needs
from enrich.cli.app import app as application
from enrich.errors import EnrichError
from enrich.ontology.errors import OntologyError
from enrich.show.terminal import printable

INTERRUPTED = 130
GLOBAL_FLAGS = ("--debug",)
GLOBAL_OPTIONS = ("--config",)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = hoist(list(sys.argv[1:] if argv is None else argv))
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone (`enrich query … | head`): nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if "--debug" in arguments:
            raise
        line = explained(error)
        if line is None:
            return _fail(
                f"unforeseen {type(error).__name__}: {error} (run it again with --debug to see where)", 1
            )
        return _fail(*line)


def explained(error: Exception) -> tuple[str, int] | None:
    """The sentence and the exit code of an error that is meant for a person; None for any other."""
    if isinstance(error, EnrichError):
        return str(error), error.exit_code
    classifiers = sys.modules.get("enrich.classifiers.base")
    if classifiers is not None and isinstance(error, classifiers.ClassifierError):
        return str(error), 4
    if isinstance(error, OntologyError):
        return str(error), 2
    if isinstance(error, ModuleNotFoundError) and (why := needs(error.name or "")):
        return why, 2
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", 2
    return None


def hoist(arguments: list[str]) -> list[str]:
    """The arguments with --config and --debug moved to the front: they may stand anywhere."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in GLOBAL_FLAGS or word.startswith(tuple(f"{o}=" for o in GLOBAL_OPTIONS)):
            front.append(word)
        elif word in GLOBAL_OPTIONS:
            front += [word, *([value] if (value := next(words, None)) is not None else [])]
        else:
            rest.append(word)
    return front + rest


def _run(arguments: list[str]) -> int:
    try:
        result = get_command(application).main(
            arguments or ["--help"], prog_name="enrich", standalone_mode=False
        )
    except TyperException as error:
        context = getattr(error, "ctx", None)
        verb = context.command_path if context is not None else "enrich"
        return _fail(f"{error.format_message()} (see: {verb} --help)", error.exit_code)
    except Abort:
        return _fail("stopped", 1)
    if result == INTERRUPTED:
        return _fail("interrupted", INTERRUPTED)
    return result if isinstance(result, int) else 0


def _fail(sentence: str, code: int) -> int:
    sys.stderr.write(f"enrich: {printable(' '.join(sentence.split()))}\n")
    return code
