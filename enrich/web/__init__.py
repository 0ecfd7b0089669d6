"""The explorer: a site to look at what was predicted, to judge it, and to ask by SPARQL."""
