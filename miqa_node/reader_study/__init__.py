"""Reader studies: a site proves or refutes on its own images what the node claims, by a plan made beforehand."""
