"""The kinds of destinations, one file each: the keys of its table, how it is probed, and how it sends."""
