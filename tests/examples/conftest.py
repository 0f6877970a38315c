"""What is added to a copy of the package by a test runs there, not here."""

collect_ignore = ["additions"]
