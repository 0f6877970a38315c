"""The durable queue, and threads that work regularly."""
