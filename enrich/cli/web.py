"""The verb of the explorer, and those of the tokens by which scripts ask it: web, web token add, list, revoke."""

import os
import sys
import webbrowser
from typing import Annotated
from typing import Literal as OneOf

import typer

from enrich.cli.common import (
    Json,
    example,
    group,
    open_workspace,
    say,
    warn_of_example,
    write_json,
    write_table,
)
from enrich.cli.options import CONFIG
from enrich.settings.loading import load_settings
from enrich.web.running import serve_site
from enrich.web.tokens import Tokens

web = group(
    invoke_without_command=True,
    help="Serve the explorer: look at predictions, judge them, and ask by SPARQL.",
    epilog=example("enrich web --port 8765"),
)
token = group(help="Tokens by which scripts ask the explorer and judge.")
web.add_typer(token, name="token")


@web.callback()
def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option("--host", metavar="HOST", help="Address to serve on; otherwise web.host.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help="Port to serve on, 0 for any; otherwise web.port.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="NAME", help="Who judges at this computer.", show_default="who is logged in"
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the browser.")] = True,
) -> None:
    """Serve the explorer until Ctrl-C. An embedded store is held meanwhile; the other verbs work through here."""
    if context.invoked_subcommand is not None:
        return
    with open_workspace() as workspace:
        settings = workspace.settings
    given = {"host": host, "port": port}
    changed = {name: value for name, value in given.items() if value is not None}
    settings = settings.model_copy(update={"web": settings.web.model_copy(update=changed)})
    warn_of_example(settings)

    def ready(address: str) -> None:
        typer.echo(address)
        once = "; it opens the site once" if "token=" in address else ""
        say(f"open it in a browser{once}. Ctrl-C ends the site")
        sys.stdout.flush()
        if browser and (sys.platform == "darwin" or os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}):
            webbrowser.open(address)

    serve_site(settings, by, ready)


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
