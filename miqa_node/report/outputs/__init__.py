"""The kinds of objects that the node makes, one file each: its series, when it is made, and how."""
