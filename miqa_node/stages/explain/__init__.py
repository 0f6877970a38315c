"""Where in an image a finding was seen."""
