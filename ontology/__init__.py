"""The vocabulary, the shapes, the profiles and the named queries, as data with a small loader."""
