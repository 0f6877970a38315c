"""One study, and what people decide about it."""
