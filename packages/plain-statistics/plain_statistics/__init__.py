"""Statistics with their uncertainty, of numbers alone; needs numpy, and scipy for several readers. See README.md."""
