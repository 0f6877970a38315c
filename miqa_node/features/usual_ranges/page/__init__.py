"""The pages of usual ranges, and the note on the page of a study."""
