"""What is true: the database and the object store."""
