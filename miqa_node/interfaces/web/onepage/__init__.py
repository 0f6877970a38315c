"""One page about one image, complete in itself: for the command line, and for a node's page that checks a file."""
