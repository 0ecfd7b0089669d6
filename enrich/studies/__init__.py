"""Studies: questions about what learns, answered on a museum's own records."""
