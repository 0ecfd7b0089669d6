"""Fusion of the modalities.

Ask `classifiers.registry.fuser_class` for a fuser by its name; `classifiers.fusion.base` holds the interface
that a new one has.
"""
