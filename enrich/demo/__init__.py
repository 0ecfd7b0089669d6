"""A made museum whose missing values are known, to try everything on."""
