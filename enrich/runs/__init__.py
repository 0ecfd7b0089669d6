"""The register of runs, their plans and leases, and what an answer looks like in RDF."""
