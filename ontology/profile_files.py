"""Profiles as TOML: those of the package by name, and a museum's own from a file."""

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from enrich.ontology.checked import read_toml, sentence
from enrich.ontology.profiles import Profile, named
from enrich.ontology.terms import PREFIXES, OntologyError


@cache
def profile_names() -> tuple[str, ...]:
    """The names of the profiles that come with the package, in order."""
    folder = files("enrich.ontology") / "profiles"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def load_profile(name_or_file: str | Path) -> Profile:
    """A profile of the package by its name, or one from a TOML file.

    Raises OntologyError when there is none, or when the file does not say what it must.
    """
    if isinstance(name_or_file, str) and name_or_file in profile_names():
        return parse_profile(_shipped(name_or_file), name_or_file, f"the profile {name_or_file}")
    path = Path(name_or_file)
    if not path.is_file():
        known = ", ".join(profile_names())
        raise OntologyError(f"no profile and no file is called {str(name_or_file)!r}; profiles: {known}")
    try:
        text = read_toml(path)
    except ValueError as error:
        raise OntologyError(str(error)) from error
    return parse_profile(text, path.stem, str(path))


def profile_text(name_or_file: str | Path) -> str:
    """A profile as its file writes it. Raises OntologyError when it is none."""
    load_profile(name_or_file)
    if isinstance(name_or_file, str) and name_or_file in profile_names():
        return _shipped(name_or_file)
    return read_toml(Path(name_or_file))


def parse_profile(text: str, name: str, where: str) -> Profile:
    """A profile from TOML text. `where` names the source in errors. Raises OntologyError."""
    document = _toml(text, where)
    try:
        if "extends" in document:
            document = _merged(_parent(document["extends"]), document)
        given = document.get("prefixes")
        own = {k: v for k, v in given.items() if isinstance(v, str)} if isinstance(given, dict) else {}
        context = {"prefixes": PREFIXES | own}
        return _PROFILE.validate_python(named(name, document), context=context)
    except ValidationError as error:
        raise OntologyError(f"{where}: {sentence(error, Profile, document)}") from error
    except OntologyError as error:
        raise OntologyError(f"{where}: {error}") from error


_PROFILE = TypeAdapter(Profile)


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OntologyError(f"{where} is not valid TOML: {error}") from error


def _shipped(name: str) -> str:
    return (files("enrich.ontology") / "profiles" / f"{name}.toml").read_text(encoding="utf-8")


def _parent(name: object) -> dict[str, Any]:
    if name not in profile_names():
        known = ", ".join(profile_names())
        raise OntologyError(f"extends {name!r}, which is not a profile of the package; use {known}")
    return _toml(_shipped(str(name)), str(name))


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; anything else is taken from above."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
