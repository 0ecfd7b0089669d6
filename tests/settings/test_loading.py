"""Settings: the file, the environment over it, and sentences for what is wrong."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.cli import main
from enrich.errors import SettingsError
from enrich.ontology.terms import OntologyError
from enrich.settings.loading import Settings, find_settings, load_settings, setting_rows, write_initial
from enrich.workspace import Workspace


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ENRICH_CONFIG", raising=False)


def written(folder: Path, text: str) -> Path:
    """An enrich.toml that says `text`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "enrich.toml").write_text(text, encoding="utf-8")
    return folder / "enrich.toml"


def test_files_are_read_as_windows_saves_them(tmp_path: Path) -> None:
    """Given settings and a profile with a byte order mark and lines that end in CR LF, then they say what they say without;
    in another encoding than UTF-8 the line is named, with what to do."""
    (tmp_path / "own.toml").write_bytes(b'\xef\xbb\xbfextends = "edm"\r\ntitle = "Lace"\r\n')
    (tmp_path / "enrich.toml").write_bytes(
        b'\xef\xbb\xbfprofile = "own.toml"\r\ncreator = "Mus\xc3\xa9e"\r\n'
    )
    assert load_settings(tmp_path).creator == "Musée"
    assert Workspace.open(tmp_path).profile.title == "Lace"
    for name, error in (("own.toml", OntologyError), ("enrich.toml", SettingsError)):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole + b"# Mus\xe9e\r\n")
        with pytest.raises(error, match=f"{name}, line 3 is not UTF-8 text; save it as UTF-8"):
            _ = Workspace.open(tmp_path).profile
        (tmp_path / name).write_bytes(whole)


def test_defaults_hold_without_a_file() -> None:
    settings = load_settings()
    assert settings.source is None
    assert settings.profile == "silknow"
    assert settings.decision.target_precision == 0.9
    assert settings.train.modalities == ()
    assert settings.store.query_url is None


def test_initial_file_is_read_back_with_its_profile(tmp_path: Path) -> None:
    write_initial(tmp_path / "museum", "linked-art")
    settings = load_settings(tmp_path / "museum")
    assert settings.profile == "linked-art"
    assert settings.folder == tmp_path / "museum"
    assert settings.locate(settings.store.path) == tmp_path / "museum" / "store"


def test_initial_file_is_not_written_over_another(tmp_path: Path) -> None:
    write_initial(tmp_path, "silknow")
    with pytest.raises(SettingsError, match="exists already"):
        write_initial(tmp_path, "linked-art")
    (tmp_path / "enrich.toml").write_text("actor = 'https://lace.museum/keeper'")
    write_initial(tmp_path, "linked-art", force=True)
    assert load_settings(tmp_path).profile == "linked-art"
    assert load_settings(tmp_path / "enrich.toml.bak").actor == "https://lace.museum/keeper", "it is kept"


def test_whatever_was_written_over_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given settings that are written anew again and again, then each that differed is kept, and none twice."""
    texts = [f"actor = 'https://lace.museum/keeper/{number}'\n" for number in (1, 2, 3, 2)]
    for text in texts:
        (tmp_path / "enrich.toml").write_text(text)
        capsys.readouterr()
        assert main(["init", str(tmp_path), "--profile", "edm", "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"].endswith(".bak.2")
    kept = [tmp_path / f"enrich.toml.bak{end}" for end in ("", ".2", ".3")]
    assert [file.read_text() for file in kept] == texts[:3]
    assert sorted(tmp_path.iterdir()) == [tmp_path / "enrich.toml", *kept]


def test_init_says_what_it_kept_and_names_a_profile_so_that_the_folder_can_move(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a profile in the museum's folder, at any depth, and one outside of it, then the first is still found when the
    folder is somewhere else, and the second is named by its whole path."""
    for name in ("lace/profiles/own.toml", "elsewhere.toml"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('extends = "edm"\n')
    assert main(["init", "lace", "--profile", "lace/profiles/own.toml"]) == 0
    assert "the old one" not in capsys.readouterr().err
    (tmp_path / "lace").rename(tmp_path / "moved")
    assert Workspace.open(tmp_path / "moved").profile.name == "own"
    assert main(["init", "moved", "--profile", "elsewhere.toml", "--force"]) == 0
    assert "kept the old one as moved/enrich.toml.bak" in capsys.readouterr().err.replace("\n", "")
    assert load_settings(tmp_path / "moved").profile == str(tmp_path / "elsewhere.toml")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[decision]\nthresholds = { timme = 0.4 }", "decision.thresholds"),
        ("[decision]\nfloors = { timme = 0.4 }", "decision.floors"),
        ("[workers]\nproperties = ['timme']", "workers.properties"),
    ],
)
def test_a_property_that_the_profile_does_not_have_is_named_with_its_setting(
    tmp_path: Path, text: str, key: str
) -> None:
    with pytest.raises(SettingsError, match=f"{key} names 'timme', and .* edm .*did you mean 'time'"):
        _ = Workspace.open(written(tmp_path, f'profile = "edm"\n{text}')).profile
    _ = Workspace.open(written(tmp_path, f'profile = "edm"\n{text}'.replace("timme", "time"))).profile


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1))
def test_any_profile_path_survives_the_initial_file(
    tmp_path_factory: pytest.TempPathFactory, profile: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    write_initial(folder, profile)
    assert load_settings(folder).profile == profile


def test_file_is_found_here_then_by_the_environment_then_by_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_settings() is None
    here = written(tmp_path, 'profile = "here"')
    assert load_settings().source == here
    other = written(tmp_path / "other", 'profile = "other"')
    monkeypatch.setenv("ENRICH_CONFIG", str(other))
    assert load_settings().profile == "other"
    third = written(tmp_path / "third", 'profile = "third"')
    assert load_settings(third).profile == "third"
    assert load_settings(third.parent).profile == "third"


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="enrich init DIR"):
        load_settings(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        (
            "ENRICH_STORE__QUERY_URL",
            "http://127.0.0.1:7878/query",
            ("store", "query_url"),
            "http://127.0.0.1:7878/query",
        ),
        ("ENRICH_STORE__TIMEOUT", "5", ("store", "timeout"), 5.0),
        ("ENRICH_TRAIN__MODALITIES", "tabular, text", ("train", "modalities"), ("tabular", "text")),
        ("ENRICH_TRAIN__MODALITIES", '["image"]', ("train", "modalities"), ("image",)),
        ("ENRICH_DECISION__THRESHOLDS", '{"place": 0.5}', ("decision", "thresholds"), {"place": 0.5}),
        ("ENRICH_WORKERS__BROKER", "redis://elsewhere/1", ("workers", "broker"), "redis://elsewhere/1"),
        ("ENRICH_RUN__BATCH", "7", ("run", "batch"), 7),
    ],
)
def test_environment_wins_over_the_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    key: tuple[str, str],
    expected: object,
) -> None:
    written(tmp_path, "[run]\nbatch = 9\nshard = 11\n")
    monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert getattr(getattr(settings, key[0]), key[1]) == expected
    assert settings.run.shard == 11


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[store]\nquery_ulr = 'http://x/q'",
            "'store.query_ulr' is not a setting; did you mean 'query_url'?",
        ),
        ("profil = 'silknow'", "'profil' is not a setting; did you mean 'profile'?"),
        ("[run]\nbatch = 0", "run.batch: .*greater than or equal to 1.*given: 0"),
        ("[run]\nkeep_days = 5000000", "run.keep_days: .*less than or equal to 365000.*given: 5000000"),
        ("[run]\nlease = 1e15", "run.lease: .*less than or equal to 1000000000"),
        ("[run]\nbatch = 'many'", "run.batch: must be a whole number .given: 'many'"),
        ("base = 'museum'", "base: must be an absolute http or https IRI"),
        ("base = 'http://a b/'", "base: must be an absolute http or https IRI without spaces"),
        ("[store]\nauth = 'basic'\nquery_url = 'http://x/q'", "auth = 'basic' needs user and password"),
        ("[store]\nauth = 'bearer'\nquery_url = 'http://x/q'", "auth = 'bearer' needs token"),
        ("[store]\nupdate_url = 'http://x/u'", "need query_url as well"),
        ("[decision]\ntarget_precision = 1.5", "decision.target_precision"),
        ("[store]\nauth = 'basik'", "store.auth: must be 'none', .*; did you mean 'basic'.*given: 'basik'"),
        ("store = 3", "store: must be a table .given: 3"),
        ("profile = 'x", "not valid TOML"),
        ("profile = 'x'\n[store]\npath = 3\n[run]\nbatch = 0", "and 1 more"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, sentence: str) -> None:
    written(tmp_path, text)
    with pytest.raises(SettingsError, match=sentence) as error:
        load_settings()
    assert "enrich.toml" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        (
            "ENRICH_STOER__PATH",
            "ENRICH_STOER__PATH is not a setting; did you mean 'ENRICH_STORE__PATH'",
        ),
        ("ENRICH_MEDIA_CACHE", "ENRICH_MEDIA_CACHE is not a setting; did you mean 'ENRICH_MEDIA__CACHE'"),
        ("ENRICH_ACTRO", "ENRICH_ACTRO is not a setting; did you mean 'ENRICH_ACTOR'"),
        ("ENRICH_RUN_SHARDS", "ENRICH_RUN_SHARDS is not a setting; did you mean 'ENRICH_RUN__SHARD'"),
        (
            "ENRICH_STORE__QUERYURL",
            "ENRICH_STORE__QUERYURL: 'store.queryurl' is not a setting; did you mean 'query_url'",
        ),
        ("ENRICH_RUN__BATCH", "ENRICH_RUN__BATCH: run.batch"),
        ("ENRICH_DECISION__THRESHOLDS", 'ENRICH_DECISION__THRESHOLDS is not JSON: .* as {"place": 0.9}'),
        ("ENRICH_MEDIA__MIRRORS", "ENRICH_MEDIA__MIRRORS is not JSON"),
        ("ENRICH_WEB", "ENRICH_WEB is not JSON"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, sentence: str) -> None:
    monkeypatch.setenv(variable, "{no")
    with pytest.raises(SettingsError, match=sentence):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ENRICH_DATA", "/anywhere"),
        ("ENRICH_PORT", "tcp://10.3.0.9:8765"),
        ("ENRICH_WEB_SERVICE_HOST", "10.3.0.9"),
        ("ENRICH_WEB_SERVICE_PORT_HTTP", "8765"),
        ("ENRICH_WEB_PORT_8765_TCP_ADDR", "10.3.0.9"),
    ],
)
def test_variables_of_others_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Given what Kubernetes sets for a service that is called enrich, then that is no misspelt setting."""
    monkeypatch.setenv(variable, value)
    load_settings()


def test_secrets_do_not_show(tmp_path: Path) -> None:
    written(tmp_path, "[store]\nquery_url='http://x/q'\nauth='basic'\nuser='ana'\npassword='hush'\n")
    settings = load_settings()
    assert "hush" not in repr(settings)
    assert settings.store.password is not None
    assert settings.store.password.get_secret_value() == "hush"


@pytest.mark.parametrize(
    "text",
    [
        "[store]\npassword = 4711",
        "[store]\ntoken = 4711",
        "[store]\ntoken = ['4711']",
        "[store]\npasswort = '4711'",
        "[store]\nquery_url = 'ftp://ana:4711@museum.example.org/q'",
        "[store]\nquery_url = 'http://ana:47@4711@museum.example.org/a query'",
        "store = 'http://ana:4711@museum.example.org/q'",
        "[store]\nupdate_url = 'http://ana:4711@museum.example.org/u'",
        "[store]\npassword = '4711'\nauth = 'digest'",
        "[workers]\nbroker = 'redis://:4711@museum.example.org/0'\nconcurrency = 0",
        "[workers]\nbroker = ['redis://:4711@museum.example.org/0']",
        "workers = 'redis://:4711@museum.example.org/0'",
        "[store]\npassword = '4711",
    ],
)
def test_no_error_shows_a_secret_of_the_file(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert "4711" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ENRICH_STORE__PASSWORD__X", "4711"),
        ("ENRICH_STORE__TOKEN", '{"a": 4711}'),
        ("ENRICH_STORE", '{"password": 4711}'),
        ("ENRICH_STORE", '{"password": "4711"'),
        ("ENRICH_STORE__QUERY_URL", "redis://ana:4711@museum.example.org"),
        ("ENRICH_WORKERS", "redis://:4711@museum.example.org/0"),
    ],
)
def test_no_error_shows_a_secret_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("ENRICH_RUN__BATCH", "0")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert "4711" not in "".join(traceback.format_exception(error.value))


def test_paths_of_pictures_are_relative_to_the_file(tmp_path: Path) -> None:
    written(
        tmp_path,
        '[media]\nmirrors = {"https://images.example.org/" = "images"}\nca_file = "ca.pem"\nper_record = 3\n',
    )
    media = load_settings().located_media
    assert media.mirrors == {"https://images.example.org/": tmp_path / "images"}
    assert (media.cache, media.ca_file) == (tmp_path / ".cache" / "media", tmp_path / "ca.pem")
    assert media.per_record == 3


def test_the_base_ends_in_a_slash(tmp_path: Path) -> None:
    written(tmp_path, "base = 'https://museum.example.org/enrich'")
    assert load_settings().base == "https://museum.example.org/enrich/"


@pytest.mark.parametrize(
    ("host", "an_example"),
    [("example.org", True), ("data.example.org", True), ("silkexample.org", False)],
)
def test_an_example_is_known_by_its_host(tmp_path: Path, host: str, *, an_example: bool) -> None:
    written(tmp_path, f"base = 'https://{host}/enrich/'\nactor = 'https://museum.silk/staff'")
    assert ("base" in load_settings().examples) is an_example


def test_every_setting_says_what_it_means() -> None:
    rows = list(setting_rows())
    assert all(meaning.endswith(".") for _, _, _, meaning in rows)
    assert len({key for key, *_ in rows}) == len(rows)
    assert {key.partition(".")[0] for key, *_ in rows} == set(Settings.model_fields)
