"""The museum's graph: stores, loading, the profile's classes, gaps and records."""
