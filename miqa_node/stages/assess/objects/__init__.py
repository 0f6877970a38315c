"""The object network: finds what can be taken off, and devices, on a frontal chest radiograph, and shows where."""
