"""Reader studies: a site tests the node's claims on its own images, by a protocol fixed in advance."""
