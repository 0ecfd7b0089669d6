"""Every alert rests on a metric that there is, and has its place in the runbook."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

from enrich.workers import metrics
from tests import servers

ROOT = Path(__file__).resolve().parents[2]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "docker" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]


def test_metrics_are_there() -> None:
    assert metrics.FAILURES is not None
    there = {name for family in REGISTRY.collect() for name in (family.name, f"{family.name}_total")}
    used = {name for rule in RULES for name in re.findall(r"enrich_\w+", rule["expr"])}
    assert used
    assert used <= there, used - there


def test_every_alert_is_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "operating.md").read_text()
    for rule in RULES:
        assert f"### {rule['alert']}\n" in runbook, rule["alert"]
        assert rule["annotations"]["runbook"] == f"docs/operating.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"]


def test_prometheus_reads_the_rules() -> None:
    config = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text())
    assert config["rule_files"] == ["alerts.yml"]
    assert [job["job_name"] for job in config["scrape_configs"]] == ["enrich", "enrich-web"]


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
)
def test_promtool_finds_nothing_wrong(words: tuple[str, ...]) -> None:
    """The rules parse, and each fires and is quiet as `alerts_test.yml` says."""
    promtool = shutil.which("promtool")
    if promtool is None:
        servers.missing("there is no `promtool`: apt-get install --no-install-recommends prometheus")
    done = subprocess.run(
        [str(promtool), *words], cwd=ROOT / "docker", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    """Given the tests of the rules, then each alert fires in one of them and is quiet in another."""
    cases = [
        case
        for test in yaml.safe_load((ROOT / "docker" / "alerts_test.yml").read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    fired = {case["alertname"] for case in cases if case.get("exp_alerts")}
    quiet = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    assert fired == quiet == {rule["alert"] for rule in RULES}
