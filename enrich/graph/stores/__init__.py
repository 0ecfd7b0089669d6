"""Triplestores behind one small protocol: embedded Oxigraph, or any SPARQL 1.1 endpoint."""

from enrich.graph.stores.base import PAGE_TOKEN, Health, Row, Store, Term
from enrich.graph.stores.opening import open_store

__all__ = ["PAGE_TOKEN", "Health", "Row", "Store", "Term", "open_store"]
