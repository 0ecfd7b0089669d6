"""Fusion of the modalities."""
