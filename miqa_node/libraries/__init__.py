"""Libraries of this project that are distributions of their own as well (``packages/``): links here, files in a wheel.

They import nothing of the node. The node has them in its own namespace, so it asks no index for them.
"""
