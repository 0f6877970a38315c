"""What a verdict means for labels."""
