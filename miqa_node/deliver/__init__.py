"""Last stage: sends result objects to their destinations, each in its own lane."""
