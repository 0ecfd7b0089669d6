"""The tables of enrich.toml and their keys: what each means, its default and its unit."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from enrich.ontology.terms import is_iri


def http_iri(value: str) -> str:
    if not value.startswith(("http://", "https://")) or not is_iri(value):
        raise ValueError("must be an absolute http or https IRI without spaces")
    return value


def base_iri(value: str) -> str:
    return http_iri(value) if value.endswith("/") else http_iri(value) + "/"


def _names(value: object) -> object:
    """The environment writes a list as one string: a JSON array, or names between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


Iri = Annotated[str, AfterValidator(http_iri)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
Share = Annotated[float, Field(ge=0, le=1)]
MOST_SEED = 2**31 - 1
"""The highest seed that all libraries take, the folds' counted on."""
Seconds = Annotated[float, Field(gt=0, le=1_000_000_000)]
MOST_DAYS = 365_000
"""For how many days at most something is kept: a thousand years, which a calendar has."""


class Section(BaseModel):
    """One table of enrich.toml."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


class StoreSettings(Section):
    """Where the graph is: a folder (the embedded store), or the addresses of a SPARQL 1.1 server."""

    path: Path = Path("store")
    """Folder of the embedded store, relative to enrich.toml; unused when query_url is set."""
    query_url: Iri | None = None
    """SPARQL query address of a server; selects the remote store."""
    update_url: Iri | None = None
    """SPARQL update address; the query address when not given."""
    graph_store_url: Iri | None = None
    """SPARQL Graph Store address, where the server has one: whole graphs load faster."""
    auth: Literal["none", "basic", "digest", "bearer"] = "none"
    """How to authenticate: none, basic, digest or bearer."""
    user: str | None = None
    """User name, for basic and digest."""
    password: SecretStr | None = None
    """Password, for basic and digest."""
    token: SecretStr | None = None
    """Token, for bearer."""
    services: Names = ()
    """Servers that a query file may ask by SERVICE, by their full addresses."""
    timeout: Seconds = 60.0
    """Seconds to wait for the server before giving a request up."""
    retries: int = Field(default=4, ge=0)
    """How often a request that may succeed later is tried again."""

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.auth in ("basic", "digest") and (self.user is None or self.password is None):
            raise ValueError(f"auth = {self.auth!r} needs user and password")
        if self.auth == "bearer" and self.token is None:
            raise ValueError("auth = 'bearer' needs token")
        if self.query_url is None and (self.update_url or self.graph_store_url):
            raise ValueError("update_url and graph_store_url need query_url as well")
        return self


class TrainSettings(Section):
    """How the classifiers learn."""

    modalities: Names = ()
    """What to learn from: any of tabular, text and image, and dummy for tests; empty for all that there is."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Seed of everything that is drawn at random in training."""
    folds: int = Field(default=5, ge=2)
    """Folds of the out-of-fold predictions that calibrate and fuse."""
    gamma: float = Field(default=2.0, ge=0, le=10)
    """Focusing parameter of the focal loss; 0 is cross-entropy."""
    hide_known: Share = 0.3
    """Share of the other properties' known values hidden at random while learning."""
    options: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    """Settings of one classifier, as a table: [train.options.tabular]."""


class DecisionSettings(Section):
    """When a prediction is sure enough to be written."""

    target_precision: Share = 0.9
    """Precision that the thresholds are set for, on data that was not trained on."""
    thresholds: Mapping[str, Share] = Field(default_factory=dict)
    """A threshold given for a property, instead of the computed one; nothing is promised then."""
    floors: Mapping[str, Share] = Field(default_factory=dict)
    """The least confidence of a property's answers, whatever the threshold: what a model promises stays promised."""
    candidates: int = Field(default=5, ge=1, le=100)
    """Ranked candidates kept with each prediction, at most."""


class RunSettings(Section):
    """How a run goes through the gaps."""

    batch: int = Field(default=500, ge=1, le=10_000)
    """Records read, predicted and written together."""
    shard: int = Field(default=2_000, ge=1, le=20_000)
    """Predictions in one named graph, at most."""
    lease: Seconds = 1800.0
    """Seconds without a finished batch after which another process may take a run for dead."""
    validate_shapes: bool = True
    """Check every prediction against the shapes before writing."""
    kept_facts: Path = Path(".cache/facts")
    """Folder of the facts as the last runs found them, relative to enrich.toml: the next run finds by them which
    records have changed."""
    keep_days: int = Field(default=90, ge=0, le=MOST_DAYS)
    """Days for which superseded answers and retracted runs are kept: every run, when it ends, and enrich prune drop
    older ones for good."""


class MediaSettings(Section):
    """Where pictures may come from, and how much of them is read. Times are seconds."""

    mirrors: Mapping[str, Path] = Field(default_factory=dict)
    """URL prefixes and the local folders (relative to enrich.toml) that hold the same pictures."""
    allow: Names = ()
    """Hosts or networks (CIDR) to fetch from although their addresses are not public."""
    cache: Path = Path(".cache/media")
    """Folder of fetched pictures, relative to enrich.toml."""
    cache_bytes: int = Field(default=10_000_000_000, ge=1)
    """Size that the cache is kept under, in bytes; one picture is kept whatever its size."""
    cache_age: Seconds = 90 * 86400.0
    """Seconds after which a picture of the cache is fetched again."""
    size: int = Field(default=448, ge=16, le=4096)
    """Shorter side that an image server is asked for, pixels."""
    per_record: int = Field(default=8, ge=1)
    """Pictures looked at per record, at most."""
    max_bytes: int = Field(default=50_000_000, ge=1000)
    """Bytes read of one picture before it is refused."""
    max_pixels: int = Field(default=80_000_000, ge=1000)
    """Pixels of one picture before it is refused."""
    timeout: Seconds = 20.0
    """Seconds of requests for one picture, over all addresses, sizes, tiles and tries."""
    connect_timeout: Seconds = 5.0
    """Seconds for the address of a host, and for a connection to it."""
    header_timeout: Seconds = 10.0
    """Seconds from the request to the last header."""
    max_wait: Seconds = 30.0
    """Longest Retry-After that is waited for; then the host is not asked for so long."""
    retries: int = Field(default=2, ge=0)
    """Further tries after an answer that says the server is busy or failed."""
    parallel: int = Field(default=8, ge=1, le=64)
    """Pictures fetched at the same time."""
    ahead: int = Field(default=64, ge=0)
    """Pictures fetched ahead of the record being looked at, at most."""
    host_failures: int = Field(default=5, ge=1)
    """Failures in a row after which a host is not asked for 5 minutes; ten times as many errors."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's, relative to enrich.toml."""
    user_agent: str = "enrich (pictures for a museum's knowledge graph)"
    """How requests for pictures introduce themselves."""


class WorkersSettings(Section):
    """The nightly service: broker, schedule and limits. The commands that need no broker do not read it."""

    broker: str = Field(default="redis://127.0.0.1:6379/0", repr=False)
    """Address of the Redis broker: redis://, rediss:// or unix://."""
    concurrency: int = Field(default=1, ge=1)
    """Worker processes on this machine."""
    model: Path | None = None
    """Model folder of the nightly run, relative to enrich.toml, where it is not `model`."""
    schedule: str | None = None
    """When the nightly run starts: a crontab of five fields."""
    timezone: str = "UTC"
    """Time zone of the schedule and of the blackout windows."""
    blackout: Names = ()
    """Windows in which the nightly run rests, such as 08:00-18:00, mon,tue 08:00-18:00, 22:00-06:00 or sun 00:00-24:00."""
    properties: Names = ()
    """Properties that the nightly run answers; empty for all that the model learned."""
    batch_pictures: int = Field(default=2_000, ge=1)
    """Pictures in one batch, at most, as far as per_record tells."""
    in_flight: int = Field(default=16, ge=1)
    """Batches waiting or in work at the same time, at most."""
    visibility_timeout: Seconds = 900.0
    """Seconds after which a message of a dead worker is given to another."""
    time_limit: Seconds = 600.0
    """Seconds after which a task is killed; below visibility_timeout."""
    soft_shutdown: Seconds = 30.0
    """Seconds that a worker told to stop has for finishing its batches."""
    tend_every: Seconds = 10.0
    """Seconds between two looks at what was lost and has to be sent again."""
    kills: int = Field(default=3, ge=1)
    """Worker processes that a batch may kill before it is bisected."""
    queue: str = Field(default="enrich", min_length=1)
    """Queue of the planning and finalizing tasks."""
    batch_queue: str = Field(default="enrich", min_length=1)
    """Queue of the batches; another one sends them to GPU workers."""
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port of a worker's Prometheus metrics; 0 for none."""
    metrics_host: str = "127.0.0.1"
    """Address that the metrics are served on."""


Role = Literal["reader", "curator", "lead"]
Language = Literal["en", "es", "fr", "it"]


class WebSettings(Section):
    """The explorer: its address, who may look and judge, and what a stranger's query may cost."""

    host: str = "127.0.0.1"
    """Address that the pages are served on."""
    port: int = Field(default=8765, ge=0, le=65535)
    """Port of the pages; 0 for any that is free."""
    address: Iri | None = None
    """Address by which browsers reach the pages, where a proxy stands before them."""
    index: Path = Path(".cache/index.sqlite")
    """The index behind lists and counts, relative to enrich.toml; deleted, it is built anew."""
    refresh_every: Seconds = 5.0
    """Seconds between two looks at whether a run, a review or the facts have changed."""
    reading: Literal["open", "closed"] = "open"
    """Who may look: open for everybody, closed for those who are named."""
    user_header: str | None = None
    """Header in which a proxy names the user, such as X-Forwarded-User; it is believed from trusted_proxies alone."""
    trusted_proxies: Names = ()
    """Networks of the proxies that are believed, such as 10.0.0.0/8."""
    users: Mapping[str, Role] = {}
    """The role of each user that the proxy names: reader, curator or lead; others read, where reading is open."""
    tokens: Path = Path("tokens.json")
    """The hashes of the tokens that scripts bear, relative to enrich.toml; enrich web token makes one."""
    languages: Annotated[tuple[Language, ...], NoDecode, BeforeValidator(_names), Field(min_length=1)] = (
        "en", "es", "fr", "it",
    )  # fmt: skip
    """Languages of the pages; the first is for who asks for none of them."""
    query_seconds: Seconds = 30.0
    """Seconds that a query sent to /sparql may take."""
    query_rows: int = Field(default=100_000, ge=1)
    """Rows that such a query may answer."""
    query_bytes: int = Field(default=50_000_000, ge=1)
    """Bytes that such a query may answer."""
    queries: int = Field(default=2, ge=1)
    """Such queries at the same time; more are told to come back."""
