"""Last stage: result objects go to their destinations, one lane each."""
