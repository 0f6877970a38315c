"""What the node tells its operators: log lines, metrics, health."""
