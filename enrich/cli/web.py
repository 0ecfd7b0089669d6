"""The verb of the explorer, and those of its tokens."""

import os
import sys
import webbrowser
from typing import Annotated

import typer

from enrich.cli.common import example, open_workspace, say, warn_of_example
from enrich.cli.web_token import token
from enrich.web.running import serve_site

web = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    invoke_without_command=True,
    help="Serve the explorer: look at predictions, judge them, and ask by SPARQL.",
    epilog=example("enrich web --port 8765"),
)
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
