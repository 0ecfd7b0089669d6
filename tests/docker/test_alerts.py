"""Every alert rests on a metric that there is, and has its place in the runbook."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from prometheus_client import REGISTRY

from workers import metrics

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
    assert [job["job_name"] for job in config["scrape_configs"]] == ["enrich"]
