"""A model: fitted, calibrated, kept in a folder and described."""
