"""Classification packages: a picture in, one label with calibrated scores out, beside the quality of the image."""
