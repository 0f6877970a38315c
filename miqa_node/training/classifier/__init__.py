"""Makes a classification package of any labelled images: ``miqa-node train classifier``."""
