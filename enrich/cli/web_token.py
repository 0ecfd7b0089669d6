"""Verbs about the tokens of scripts: web token add, list, revoke."""

from typing import Annotated
from typing import Literal as OneOf

import typer

from enrich.cli.common import Json, example, say, write_json, write_table
from enrich.cli.options import CONFIG
from enrich.settings.loading import load_settings
from enrich.web.tokens import Tokens

token = typer.Typer(
    add_completion=False, rich_markup_mode=None, help="Tokens by which scripts ask the explorer and judge."
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Who bears it; reviews name them as their curator.")
]


def _tokens() -> Tokens:
    settings = load_settings(CONFIG.get())
    return Tokens(settings.locate(settings.web.tokens))


@token.command("add", epilog=example("enrich web token add 'Night import' --role curator"))
def add(
    name: Name,
    role: Annotated[
        OneOf["reader", "curator", "lead"],
        typer.Option("--role", help="Look; judge, too; or raise thresholds and take back, too."),
    ] = "reader",
    as_json: Json = False,
) -> None:
    """Make a token, and write it to stdout: only its hash is kept, so it is not shown again."""
    tokens = _tokens()
    made = tokens.add(name, role)
    if as_json:
        write_json({"name": name, "role": role, "token": made})
        return
    typer.echo(made)
    say(f"send it as: Authorization: Bearer …; its hash is in {tokens.path}")


@token.command("list", epilog=example("enrich web token list"))
def list_tokens(as_json: Json = False) -> None:
    """List who has a token, with which role, and since when."""
    rows = [(one.name, one.role, one.made) for one in _tokens().all()]
    if as_json:
        write_json({"tokens": [dict(zip(("name", "role", "made"), row, strict=True)) for row in rows]})
    else:
        write_table(("name", "role", "made"), rows)


@token.command("revoke", epilog=example("enrich web token revoke 'Night import'"))
def revoke(name: Name, as_json: Json = False) -> None:
    """End a token at once."""
    _tokens().revoke(name)
    if as_json:
        write_json({"name": name, "revoked": True})
    else:
        say(f"{name} has no token any more")
