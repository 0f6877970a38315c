"""Enhancement: copies of an image with less noise or more visible contrast, made beside the original."""
