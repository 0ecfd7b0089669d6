"""The error of the ontology's loaders."""


class OntologyError(ValueError):
    """A term, a profile or a query that cannot be used; one line: what, where, what to do."""
