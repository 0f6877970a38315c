"""What a verdict means for worklist."""
