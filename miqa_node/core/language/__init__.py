"""The languages of pages, reports and messages: catalogues, and the language that is spoken now."""
