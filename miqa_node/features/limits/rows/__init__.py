"""What the database says of the images of a room."""
