"""The gate: what a stranger asks by SPARQL is looked at, asked in a process of its own, and bounded."""
