"""The index behind lists and counts: SQLite, made from the store, and made again when it is lost."""
