"""What a node runs on: the database and object store, the durable queue, the worker processes."""
