"""Files and folders that are complete or not there, and that several processes may use."""
