"""Effects of a verdict, one file each. One transaction commits all of them or none."""
