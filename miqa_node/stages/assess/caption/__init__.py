"""An optional backend that describes an image in sentences: a package of the site, or a server of the site."""
