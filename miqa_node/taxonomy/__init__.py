"""The findings that the node knows, as data: one TOML file for each family, and what else installed packages add."""

miqa_api = 1
