"""The settings of one museum: `enrich.toml`, overridden by the environment (`ENRICH_STORE__QUERY_URL`, …).

Every key is a field below, with its meaning, default and unit; `docs/reference.md` is made from them.
Unknown keys are refused, so that a misspelt one is not silently ignored.
"""

import json
import os
import re
import tomllib
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, PrivateAttr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from enrich.errors import SettingsError
from enrich.ontology.checked import nearest, read_toml, sentence
from enrich.settings.models import (
    DecisionSettings,
    Iri,
    MediaSettings,
    RunSettings,
    StoreSettings,
    TrainSettings,
    WebSettings,
    WorkersSettings,
    base_iri,
)

FILE_NAME = "enrich.toml"
KEPT_NAME = f"{FILE_NAME}.bak"
"""What was there when the settings were first written anew; later ones have a number behind it."""
EXAMPLE_BASE = "https://data.example.org/enrich/"
EXAMPLE_ACTOR = "https://data.example.org/actor/museum"
"""The base and the actor of a museum that has not chosen its own."""
PREFIX = "ENRICH_"
_OTHERS = ("ENRICH_CONFIG", "ENRICH_DATA", "ENRICH_PROXIES")
"""What is read elsewhere: by `find_settings`, the benchmarks and compose.yaml."""
_OF_CLUSTER = re.compile(r"ENRICH_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")


class Settings(BaseSettings):
    """Everything that enrich.toml may say."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )
    profile: str = "silknow"
    """Name of a profile, or the path of a profile's TOML file."""
    base: Annotated[Iri, AfterValidator(base_iri)] = EXAMPLE_BASE
    """Start of every IRI that we make, graphs included."""
    actor: Iri = EXAMPLE_ACTOR
    """The institution on whose behalf predictions are made."""
    creator: str = ""
    """The institution's name, as a citation of a run gives it."""
    licence: Iri | None = None
    """Licence of what enrich makes, such as https://creativecommons.org/publicdomain/zero/1.0/: runs say it, and the
    description of what a model learned from."""
    model: Path = Path("model")
    """The model folder that commands take unless they are told another by --model, relative to enrich.toml."""
    store: StoreSettings = StoreSettings()
    """Where the graph is."""
    train: TrainSettings = TrainSettings()
    """How the classifiers learn."""
    decision: DecisionSettings = DecisionSettings()
    """When to answer."""
    run: RunSettings = RunSettings()
    """How a run goes through the gaps."""
    media: MediaSettings = MediaSettings()
    """Where pictures come from."""
    workers: WorkersSettings = WorkersSettings()
    """Broker and schedule."""
    web: WebSettings = WebSettings()
    """The explorer."""

    _folder: Path = PrivateAttr(default_factory=Path.cwd)
    _source: Path | None = PrivateAttr(default=None)

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from: that of enrich.toml, or the current one."""
        return self._folder

    @property
    def source(self) -> Path | None:
        """The file the settings were read from; None when there was none."""
        return self._source

    @property
    def examples(self) -> dict[str, str]:
        """Which of `base` and `actor` are still an example's."""
        hosts = (".example.org", ".example.com", ".example.net")
        given = {"base": self.base, "actor": self.actor}
        return {key: iri for key, iri in given.items() if f".{urlsplit(iri).hostname}".endswith(hosts)}

    def locate(self, path: Path | str) -> Path:
        """A path of the settings, made absolute."""
        return (self._folder / Path(path).expanduser()).resolve()

    @property
    def nightly_model(self) -> Path:
        """The model folder of the nightly run, made absolute."""
        return self.locate(self.workers.model or self.model)

    @property
    def located_media(self) -> MediaSettings:
        """The table [media] with its paths made absolute."""
        mirrors = {prefix: self.locate(folder) for prefix, folder in self.media.mirrors.items()}
        ca_file = self.media.ca_file and self.locate(self.media.ca_file)
        paths = {"mirrors": mirrors, "cache": self.locate(self.media.cache), "ca_file": ca_file}
        return self.media.model_copy(update=paths)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose content is given to the constructor."""
        return env_settings, init_settings


def find_settings(given: Path | None = None) -> Path | None:
    """The settings file to read: the given one, that of ENRICH_CONFIG, ./enrich.toml, or none."""
    named = given if given is not None else Path(env) if (env := os.environ.get("ENRICH_CONFIG")) else None
    if named is None:
        return Path(FILE_NAME) if Path(FILE_NAME).is_file() else None
    path = named / FILE_NAME if named.is_dir() else named
    if not path.is_file():
        raise SettingsError(f"no settings file {path}: give --config FILE, or make one with: enrich init DIR")
    return path


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings file (see `find_settings`) and the environment. Raises SettingsError."""
    file = find_settings(path)
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values = tomllib.loads(read_toml(file))
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{file} is not valid TOML: {error}") from error
        except ValueError as error:
            raise SettingsError(str(error)) from error
    _refuse_wrong_variables()
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explained(error, values, file)) from error
    except ValueError as error:
        raise SettingsError(f"the environment's {PREFIX}… variables: {error}") from error
    if file is not None:
        settings._folder = file.resolve().parent
        settings._source = file.resolve()
    return settings


def write_initial(
    folder: Path, profile: str, *, base: str = EXAMPLE_BASE, force: bool = False
) -> tuple[Path, Path | None]:
    """Write `folder`/enrich.toml for the embedded store and a profile; returns the file, and where the one is kept that was
    there, by `force`: as enrich.toml.bak, or with the next number that is free. Raises SettingsError."""
    try:
        base = base_iri(base)
    except ValueError as error:
        raise SettingsError(f"the base {base!r} {error}") from error
    target = folder / FILE_NAME
    if target.exists() and not force:
        raise SettingsError(f"{target} exists already: edit it, or say --force to write it anew")
    folder.mkdir(parents=True, exist_ok=True)
    kept = _kept(target) if target.exists() else None
    actor = EXAMPLE_ACTOR if base == EXAMPLE_BASE else f"{base}actor/museum"
    said = {"PROFILE": profile, "BASE": base, "ACTOR": actor}
    said = {key: _toml_string(text) for key, text in said.items()}
    target.write_text(re.sub("PROFILE|BASE|ACTOR", lambda found: said[found[0]], _INITIAL), encoding="utf-8")
    return target, kept


def _kept(file: Path) -> Path:
    """Keep a file beside those that are kept already, where none of them says the same; returns where it is."""
    places = (file.with_name(KEPT_NAME + (f".{number}" if number > 1 else "")) for number in count(1))
    kept = next(place for place in places if not place.exists() or place.read_bytes() == file.read_bytes())
    return kept if kept.exists() else file.replace(kept)


def _toml_string(text: str) -> str:
    """JSON's string is TOML's, but for U+007F and the surrogates that ASCII would need."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def setting_rows(
    kind: type[BaseModel] = Settings, prefix: str = "", defaults: BaseModel | None = None
) -> Iterator[tuple[str, str, str, str]]:
    """Every setting of a model and of the models in it as (key, type, default, description), in their order.

    `defaults` holds other defaults than those of the model itself.
    """
    for name, field in kind.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        value = default if defaults is None else getattr(defaults, name)
        if isinstance(value, BaseModel):
            yield from setting_rows(type(value), f"{prefix}{name}.", value)
        else:
            meaning = " ".join((field.description or "").split())
            yield f"{prefix}{name}", _type_name(field), _shown(value), meaning


def _type_name(field: FieldInfo) -> str:
    text = str(field.annotation)
    if choices := [a for a in get_args(field.annotation) if isinstance(a, str)]:
        return " or ".join(choices)
    for mark, name in (("Mapping", "table"), ("tuple", "list"), ("Path", "path"), ("Secret", "text"), ("bool", "true or false"),
                       ("int", "whole number"), ("float", "number"), ("str", "text")):  # fmt: skip
        if mark in text:
            return name
    return text


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(list(value) if isinstance(value, tuple) else value, default=str)


def _refuse_wrong_variables() -> None:
    """Refuse variables that name nothing, and tables that are no JSON."""
    keys = {_variable(key): kind for key, kind, *_ in setting_rows()}
    sections = {_variable(name) for name in Settings.model_fields}
    tables = {name for name, kind in keys.items() if kind == "table"} | (sections - keys.keys())
    for variable, value in os.environ.items():
        name = variable.upper()
        if not name.startswith(PREFIX) or name in _OTHERS or _is_of_cluster(name, value):
            continue
        if (name if "__" not in name else PREFIX + name[len(PREFIX) :].split("__")[0]) not in sections:
            raise SettingsError(f"{variable} is not a setting{nearest(name, [*keys, *sections])}")
        if name in tables and value:
            try:
                json.loads(value)
            except ValueError:
                raise SettingsError(
                    f'{variable} is not JSON: a table is written as {{"place": 0.9}}'
                ) from None


def _variable(key: str) -> str:
    return PREFIX + key.replace(".", "__").upper()


def _is_of_cluster(name: str, value: str) -> bool:
    """Whether Kubernetes or Docker has set a variable, for a service that is called enrich, or enrich-web."""
    return bool(_OF_CLUSTER.fullmatch(name)) or (name.endswith("_PORT") and "://" in value)


def _explained(error: ValidationError, values: dict[str, Any], file: Path | None) -> str:
    """The first thing that is wrong, in one line, with the file or the variable that says it."""
    variables = (PREFIX + "__".join(map(str, e["loc"])).upper() for e in error.errors(include_url=False))
    place = next((name for name in variables if name in os.environ), str(file or "settings"))
    return f"{place}: {sentence(error, Settings, values)}"


_INITIAL = """\
# Settings of enrich. Every key, with its meaning and default: docs/reference.md.
# The environment overrides them: ENRICH_STORE__QUERY_URL, ENRICH_RUN__BATCH, …

profile = PROFILE                     # silknow, linked-art, or the path of a profile of your own
base = BASE      # start of every IRI that enrich makes: choose one you own
actor = ACTOR  # the institution on whose behalf it predicts
# creator = "Museum of Silk"            # its name, for who cites a run
# licence = "https://creativecommons.org/publicdomain/zero/1.0/"  # of what enrich makes

[store]
path = "store"                          # the embedded store: a folder beside this file, one process at a time
# query_url = "http://127.0.0.1:7878/query"     # a SPARQL 1.1 server instead
# update_url = "http://127.0.0.1:7878/update"
# graph_store_url = "http://127.0.0.1:7878/store"
# auth = "basic"                        # none, basic, digest or bearer; secrets are best given by the environment

[train]
# modalities = ["tabular", "text"]      # otherwise all that the profile reaches and the records have

[decision]
target_precision = 0.9                  # below it, enrich abstains and keeps its candidates
"""
