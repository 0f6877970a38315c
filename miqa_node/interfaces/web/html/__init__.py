"""HTML for people, on pages and in files: templates in a language, and names, numbers and times in words."""
