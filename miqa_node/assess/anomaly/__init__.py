"""Says how unlike other images an image is, from the quality network's own features, and where; never what is wrong."""
