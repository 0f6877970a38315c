"""Output for operators: log lines, metrics, health."""
