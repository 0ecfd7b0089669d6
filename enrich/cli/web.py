"""The verb of the explorer, and those of its tokens."""

import typer

from enrich.cli.web_token import token

web = typer.Typer(rich_markup_mode=None, help="The explorer: tokens for scripts that ask and judge.")
web.add_typer(token, name="token")
