"""Tokens at a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enrich.cli import main
from enrich.settings.loading import write_initial
from enrich.web.tokens import Tokens


def test_a_token_is_shown_once_listed_by_name_and_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_initial(tmp_path, "linked-art")
    assert main(["web", "token", "add", "Night import", "--role", "curator"]) == 0
    made = capsys.readouterr().out.strip()
    found = Tokens(tmp_path / "tokens.json").find(made)
    assert found is not None
    assert (found.name, found.role) == ("Night import", "curator")
    assert main(["web", "token", "add", "Night import"]) == 2
    assert main(["web", "token", "list", "--json"]) == 0
    out = capsys.readouterr().out
    assert [t["name"] for t in json.loads(out)["tokens"]] == ["Night import"]
    assert made not in out
    assert main(["web", "token", "revoke", "Night import"]) == 0
    assert Tokens(tmp_path / "tokens.json").find(made) is None
    assert main(["web", "token", "revoke", "Night import"]) == 2
