"""Makes a classification package from any labelled images: ``miqa-node train classifier``."""
