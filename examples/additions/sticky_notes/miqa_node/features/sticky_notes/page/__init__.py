"""Notes on the page of their study, in its row of the worklist, and a page of all."""
