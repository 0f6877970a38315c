"""Pure statistics that the stages share: no images, no rows, no settings."""
