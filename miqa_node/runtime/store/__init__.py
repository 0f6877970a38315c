"""The database and the object store: every table, and the rows that several parts share."""
