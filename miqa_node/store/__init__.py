"""The state of the node: the database and the object store."""
