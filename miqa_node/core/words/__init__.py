"""Results in the words of reports, pages and commands."""
