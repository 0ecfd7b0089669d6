"""The settings of one museum: the tables of `enrich.toml` and how they are read."""
