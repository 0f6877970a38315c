"""The way of an image: each room is one stage, from its arrival to its results in archives."""
