"""Makes the package pneumonia-ensemble: members of three kinds, children and adults trained and reported separately."""
