"""What gets a verdict: an image, a series, or an object that is only recorded."""
