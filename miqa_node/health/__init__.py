"""Health of this process: checks, restarts of failed parts, and alerts."""
