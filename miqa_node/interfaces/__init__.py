"""How people and programs reach the node: pages, DICOMweb, commands. Each is a shell that features fill."""
