"""Looks at a graph that no profile fits yet, and drafts a profile for it."""
