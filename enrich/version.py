"""The version of the distribution, said once beside pyproject.toml: it stands in runs, models and pages."""

VERSION = "0.2.0"
