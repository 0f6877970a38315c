"""Further processes that receive: the node's own listens, and hands associations on to them (docs/adr/0019)."""
