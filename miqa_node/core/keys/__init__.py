"""Keys of the node, and what is signed with them."""
