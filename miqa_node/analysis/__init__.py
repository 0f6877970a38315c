"""What the images of a site say together: reject analysis, monitoring of the model, and labels to learn from.

Above the stages, which it reads from the store, and beside the way of an image: nothing here delays or changes one.
"""
