"""Checkpoint soups trained on pictures of the graph or of a folder."""
