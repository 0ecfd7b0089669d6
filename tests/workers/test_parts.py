"""The small parts: limits, attempts, models, what was seen, locks, metrics, and life without a broker."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import NamedNode

from enrich.answering.batch_work import tolerated
from enrich.answering.models import Models, folder_digest
from enrich.errors import InputError, ModelError, SettingsError
from enrich.graph.records import Seen
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.where import parse_where
from enrich.ontology.profile_files import load_profile
from enrich.runs.plan import Batch
from enrich.settings.loading import Settings
from enrich.workers.config import celery_settings, check, expect_shared_store
from enrich.workers.threads import THREAD_VARIABLES, stay_single_threaded
from tests.runs.test_plan import RECORDS
from tests.workers.small import enrich_in

STORE = {"query_url": "http://127.0.0.1:1/query"}


def settings(store: dict[str, object] | None = None, **workers: object) -> Settings:
    """Settings of a service."""
    return Settings(store=STORE if store is None else store, workers=workers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"time_limit": 900, "visibility_timeout": 900}, "time_limit"),
        ({"time_limit": 10, "visibility_timeout": 20, "soft_shutdown": 30}, "soft_shutdown"),
        ({"broker": "amqp://127.0.0.1"}, "Redis"),
    ],
)
def test_limits_that_would_lose_work_are_refused(said: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        check(settings(**said))


def test_the_embedded_store_is_refused_plainly() -> None:
    with pytest.raises(SettingsError, match="start enrich web"):
        expect_shared_store(settings(store={}))


def test_what_celery_is_told() -> None:
    told = celery_settings(settings(visibility_timeout=50, time_limit=40))
    assert told["accept_content"] == ["json"]
    assert told["task_serializer"] == "json"
    assert told["task_acks_late"]
    assert told["task_reject_on_worker_lost"]
    assert told["worker_prefetch_multiplier"] == 1
    assert told["task_soft_time_limit"] < told["task_time_limit"] == 40
    transport = told["broker_transport_options"]
    assert transport["visibility_timeout"] == 50
    assert transport["unacked_restore_interval"] == 2
    assert transport["unacked_restore_throttle"] == 1


def test_how_many_workers_a_batch_may_kill() -> None:
    several, one = tuple(RECORDS), tuple(RECORDS[:1])
    assert tolerated(Batch("0", 0, several), 3) == 3
    assert tolerated(Batch("0a", 0, several, bisections=1), 3) == 1
    assert tolerated(Batch("0ab", 0, one, bisections=2), 3) == 3


@given(st.lists(st.integers(0, 500), max_size=300))
def test_every_record_is_new_once(numbers: list[int]) -> None:
    seen = Seen()
    added = [n for n in numbers if seen.add(NamedNode(f"https://museum.example.org/{n}"))]
    assert added == list(dict.fromkeys(numbers))


def test_seen_keeps_what_it_has_packed() -> None:
    seen = Seen()
    many = [NamedNode(f"https://museum.example.org/{n}") for n in range(100_500)]
    assert all(seen.add(record) for record in many)
    assert not any(seen.add(record) for record in many)


def test_where_is_made_of_names_and_iris() -> None:
    contexts = load_profile("silknow").contexts
    ((context, value),) = parse_where(("museum=http://data.silknow.org/graph/vam",), contexts)
    assert context.name == "museum"
    assert value == NamedNode("http://data.silknow.org/graph/vam")
    for wrong in ("museum", "nothing=http://a.example/", "museum=<x> } DROP ALL", "=http://a.example/"):
        with pytest.raises(InputError, match="--where"):
            parse_where((wrong,), contexts)


def test_threads_are_shared_between_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*THREAD_VARIABLES, "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    assert stay_single_threaded(2, cores=8) == 4
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1", "until it has forked"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert stay_single_threaded(64, cores=8) == 3, "what is set stands"
    for said, threads in (("3,2", 3), ("", 4), ("many", 4), ("0", 4)):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert stay_single_threaded(2, cores=8) == threads


FORKING = """
import os, sys
import numpy as np
from enrich.workers.threads import stay_single_threaded, use_threads

threads = stay_single_threaded(1, cores=2)
assert threads == 2
import xgboost as xgb
from threadpoolctl import threadpool_info

table = np.random.default_rng(0).random((20_000, 20))
booster = xgb.train({"max_depth": 3}, xgb.DMatrix(table, table[:, 0] > 0.5), 3)
child = os.fork()
if not child:
    use_threads(threads)
    booster.predict(xgb.DMatrix(table))
    used = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}
    os._exit(0 if used == {2} else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_uses_threads_that_its_parent_did_not_have() -> None:
    """OpenMP's threads do not survive a fork: a child of a parent that had any would wait for ever."""
    environment = {k: v for k, v in os.environ.items() if k not in THREAD_VARIABLES}
    assert subprocess.run([sys.executable, "-c", FORKING], env=environment, timeout=60).returncode == 0


class FakeModels(Models):
    """Reads nothing."""

    def _read(self, folder: Path) -> object:  # type: ignore[override]
        self.loads += 1
        made = type("FakeModel", (), {})()
        made.digest = folder_digest(folder)
        return made


def test_a_model_is_read_once_and_anew_when_it_changed(tmp_path: Path) -> None:
    models = FakeModels()
    (tmp_path / "MANIFEST").write_text("one")
    first = hashlib.sha256(b"one").hexdigest()
    assert models.get(tmp_path) is models.get(tmp_path, first)
    assert models.loads == 1
    (tmp_path / "MANIFEST").write_text("two")
    assert models.get(tmp_path).digest != first
    assert models.get(tmp_path, first).digest == first, "the one before is kept for the run that has it"
    assert models.loads == 2
    (tmp_path / "MANIFEST").write_text("three")
    models.get(tmp_path)
    with pytest.raises(ModelError, match="put that one back"):
        models.get(tmp_path, first)
    with pytest.raises(ModelError, match="not a model folder"):
        models.get(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "words",
    [
        ["worker"], ["beat"], ["queue", "--model", "model"],
    ],
)  # fmt: skip
def test_without_a_broker_every_verb_says_how_to_start_one(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "enrich.toml").write_text(
        '[store]\nquery_url = "http://127.0.0.1:1/query"\n'
        '[workers]\nbroker = "redis://127.0.0.1:1/0"\nmodel = "model"\nschedule = "0 2 * * *"\n'
    )
    began = time.monotonic()
    done = enrich_in(tmp_path, *words)
    assert done.returncode == 7, done.stderr
    assert "redis-server" in done.stderr
    assert done.stderr.count("\n") == 1
    assert time.monotonic() - began < 30, "ten seconds, on a machine with nothing else to do"


def test_health_without_anything() -> None:
    from enrich.workers.app import make_app
    from enrich.workers.health import look

    said = settings(broker="redis://127.0.0.1:1/0")
    found = look(make_app(said), said)
    assert not found.ok
    assert found.exit_code == 7
    assert not found.store_readable
    assert any("redis-server" in problem for problem in found.problems)
    assert json.dumps(found.as_dict())


@pytest.mark.parametrize("loaded", [True, False])
def test_health_of_a_store_that_nobody_serves_is_told_whole(
    tmp_path: Path, redis_url: str, loaded: bool
) -> None:
    """Given an embedded store that is not served, or not there yet, then the state is told as for any other missing store,
    with its code."""
    if loaded:
        EmbeddedStore(tmp_path / "store").close()
    (tmp_path / "enrich.toml").write_text(f'[workers]\nbroker = "{redis_url}"\n')
    done = enrich_in(tmp_path, "health", "--json", "--no-worker")
    told = json.loads(done.stdout)
    assert (done.returncode, told["broker"], told["store_readable"]) == (3, True, False)
    assert ["start: enrich web" in problem for problem in told["problems"]] == [True]
    assert (tmp_path / "store").exists() == loaded


def test_health_with_a_broker_but_no_store(redis_url: str) -> None:
    from enrich.workers.app import make_app
    from enrich.workers.health import look

    said = settings(broker=redis_url, schedule="0 2 * * *")
    found = look(make_app(said), said, need_worker=False)
    assert found.broker
    assert any("no beat has shown a sign of life" in problem for problem in found.problems)
    assert found.exit_code == 3
