"""What the node offers beyond the way of an image; each folder is one feature, and none knows another."""
