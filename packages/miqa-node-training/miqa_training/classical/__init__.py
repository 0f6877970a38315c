"""Quality models that use only measurements: logistic regression, SVM and random forest, as alternatives to the CNN."""
