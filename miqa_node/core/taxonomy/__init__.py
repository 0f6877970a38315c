"""The findings that the node knows, as data: one TOML file per family, and additions by installed packages."""

miqa_api = 1
