"""The [media] table of enrich.toml section becomes the settings of a run."""

from __future__ import annotations

from pathlib import Path

from enrich.media import MediaSettings
from enrich.media.settings import media_settings
from enrich.settings.loading import load_settings


def test_the_section_is_carried_over_with_absolute_paths(tmp_path: Path) -> None:
    (tmp_path / "enrich.toml").write_text(
        "[media]\n"
        'mirrors = {"https://images.example.org/" = "images"}\n'
        'allow = ["10.0.0.0/8"]\n'
        "per_record = 3\n"
        "host_failures = 2\n",
        encoding="utf-8",
    )
    settings = media_settings(load_settings(tmp_path / "enrich.toml"))
    assert settings.mirrors == {"https://images.example.org/": tmp_path / "images"}
    assert settings.allow == ("10.0.0.0/8",)
    assert (settings.per_record, settings.host_failures) == (3, 2)
    assert settings.cache.is_absolute()


def test_the_defaults_of_both_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "enrich.toml").write_text("", encoding="utf-8")
    given, ours = media_settings(load_settings(tmp_path / "enrich.toml")), MediaSettings()
    for name in ("size", "per_record", "max_bytes", "max_pixels", "timeout", "parallel", "host_failures"):
        assert getattr(given, name) == getattr(ours, name), name
