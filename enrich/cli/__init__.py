"""The `enrich` command: one line on stderr and an exit code for whatever goes wrong, as JSON where --json is said.

Exit codes: 0 done, and when whoever read our output has gone; 1 anything else; 2 a setting, option, profile or file;
3 the store; 4 a model; 5 the shapes; 6 a run; 7 the broker; 130 interrupted.
"""

import errno
import gc
import io
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from typer import Abort, TyperException
from typer.main import get_command

from enrich.classifiers.extras import needs
from enrich.cli.app import app as application
from enrich.cli.stderr import QUIET, STDERR, VERBOSE
from enrich.errors import EnrichError
from enrich.ontology.errors import OntologyError
from enrich.show.terminal import printable

INTERRUPTED = 130
GLOBAL_FLAGS = ("--debug", "--verbose", "-v", "--quiet", "-q")
GLOBAL_OPTIONS = ("--config", "--log")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    began = time.monotonic(), time.process_time()
    arguments = hoist(list(sys.argv[1:] if argv is None else argv))
    _write_every_letter()
    _wait_briefly()
    gc.set_threshold(50_000)  # at Python's own 700 a seventh of a run went into looking for garbage
    try:
        code = _code(arguments)
        took, cpu = time.monotonic() - began[0], time.process_time() - began[1]
        said = f"exit code {code} after {took:.1f} s, {cpu:.1f} s of processor: {shlex.join(arguments)}"
        STDERR.say(said, VERBOSE)
    finally:
        STDERR.close()
    return code


def _wait_briefly() -> None:
    """Let OpenMP's threads wait awake for an instant, and then asleep, unless the user says how they wait.

    By themselves they wait awake for milliseconds, and keep a core from those for whom they wait: where others use the
    cores too, training took several times as long. libgomp reads it as torch, scikit-learn and xgboost are imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _code(arguments: list[str]) -> int:
    try:
        return _said(_run(arguments), arguments)
    except KeyboardInterrupt:
        return _said(("interrupted", INTERRUPTED, "Interrupted"), arguments)
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        # Whoever read our output has gone (`enrich query … | head`): nothing more can be said to them.
        _let_go_of_stdout()
        return 0
    except Exception as error:
        if "--debug" in arguments:
            raise
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            _let_go_of_stdout()
        unforeseen = f"unforeseen {type(error).__name__}: {error} (run it again with --debug to see where)", 1
        return _said((*(explained(error) or unforeseen), type(error).__name__), arguments)


def explained(error: Exception) -> tuple[str, int] | None:
    """The sentence and the exit code of an error that is meant for a person; None for any other."""
    if isinstance(error, EnrichError):
        return str(error), error.exit_code
    classifiers = sys.modules.get("enrich.classifiers.base")
    if classifiers is not None and isinstance(error, classifiers.ClassifierError):
        return str(error), 2 if isinstance(error, classifiers.WrongSetting) else 4
    if isinstance(error, OntologyError):
        return str(error), 2
    if isinstance(error, ModuleNotFoundError) and (why := needs(error.name or "")):
        return why, 2
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", 2
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return f"cannot write: {error.strerror}; make room, and run it again", 2
    return None


def hoist(arguments: list[str]) -> list[str]:
    """The arguments with those of the command itself moved to the front: they may stand anywhere."""
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


Failure = tuple[str, int, str]
"""A sentence, its exit code, and the kind of error."""


def _run(arguments: list[str]) -> int | Failure:
    try:
        result = get_command(application).main(
            arguments or ["--help"], prog_name="enrich", standalone_mode=False
        )
    except TyperException as error:
        context = getattr(error, "ctx", None)
        verb = context.command_path if context is not None else "enrich"
        return f"{error.format_message()} (see: {verb} --help)", error.exit_code, "UsageError"
    except Abort:
        return "stopped", 1, "Stopped"
    if result == INTERRUPTED:
        return "interrupted", INTERRUPTED, "Interrupted"
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _said(result: int | Failure, arguments: Sequence[str]) -> int:
    """The exit code, once what failed was said on stderr: stdout is for answers alone."""
    if isinstance(result, int):
        return result
    sentence, code, kind = result
    text = " ".join(sentence.split())
    if "--json" in arguments:
        told = {"error": {"message": printable(text), "exit_code": code, "kind": kind}}
        STDERR.say(json.dumps(told, ensure_ascii=False), QUIET)
    else:
        STDERR.say(f"enrich: {text}", QUIET)
    return code


def _write_every_letter() -> None:
    """Files and pipes get UTF-8, as CSV, JSON and RDF ask for; a terminal that lacks a letter gets its number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _let_go_of_stdout() -> None:
    """What could not be written is not tried again when the process ends."""
    with suppress(io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
