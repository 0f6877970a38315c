"""Quality models of the measurements alone: logistic regression, support vectors and random forest beside the CNN."""
