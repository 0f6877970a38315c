"""A small vision transformer that learns from chest radiographs without labels, for features that know no defects."""
