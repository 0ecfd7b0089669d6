"""A mirror gives files of its folder and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enrich.errors import SettingsError
from enrich.media.mirrors import Mirrors
from enrich.media.refusal import Refusal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"a")
    (folder / "sub" / "b c.jpg").write_bytes(b"b")
    (folder / "inside.jpg").symlink_to(folder / "a.jpg")
    (folder / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    return folder


def test_a_url_under_the_prefix_is_a_file(root: Path) -> None:
    mirrors = Mirrors({"https://images.example.org": root, "https://images.example.org/deep": root / "sub"})
    assert mirrors.find("https://images.example.org/a.jpg") == root / "a.jpg"
    assert mirrors.find("https://images.example.org/sub/b%20c.jpg?x=1#y") == root / "sub" / "b c.jpg"
    assert mirrors.find("https://images.example.org/inside.jpg") == root / "a.jpg"
    assert mirrors.find("https://images.example.org/deep/b c.jpg") == root / "sub" / "b c.jpg"


def test_other_urls_are_not_the_mirrors(root: Path) -> None:
    mirrors = Mirrors({"https://images.example.org/img/": root})
    assert mirrors.find("https://images.example.org/img2/a.jpg") is None
    assert mirrors.find("http://images.example.org/img/a.jpg") is None
    assert mirrors.find("https://images.example.org.evil.org/img/a.jpg") is None


@pytest.mark.parametrize(
    "rest",
    [
        "../secret.jpg",
        "sub/../../secret.jpg",
        "..%2fsecret.jpg",
        "%2e%2e/secret.jpg",
        "..\\secret.jpg",
        "out.jpg",
        "up/secret.jpg",
        "/secret.jpg",
        "%2Fetc/passwd",
        "a.jpg%00.png",
        "",
        "sub",
        "sub/",
        "loop",
        "none.jpg",
        "x" * 300,
        "\ud800.jpg",
    ],
)
def test_nothing_outside_the_folder_is_given(rest: str, root: Path) -> None:
    with pytest.raises(Refusal, match=r"mirror"):
        Mirrors({"https://images.example.org/": root}).find(f"https://images.example.org/{rest}")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    st.lists(
        st.sampled_from(["..", ".", "%2e%2e", "a.jpg", "sub", "up", "out.jpg", "%2f", "\\", "", "~"]),
        max_size=6,
    )
)
def test_no_combination_leads_out(root: Path, segments: list[str]) -> None:
    try:
        found = Mirrors({"https://images.example.org/": root}).find(
            "https://images.example.org/" + "/".join(segments)
        )
    except Refusal:
        return
    assert found is not None
    assert found.is_relative_to(root)


def test_a_folder_that_is_not_there_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"media.mirrors: .*none.* is not a folder"):
        Mirrors({"https://images.example.org/": tmp_path / "none"})
