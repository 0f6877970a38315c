"""What readers and other systems say about images, and what a site makes of it."""
