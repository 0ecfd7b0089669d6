"""Fills the gaps in museum knowledge graphs with predictions that say where they come from."""

__version__ = "0.2.0"
