"""The kinds of destinations, one file each: keys of the table, probe, and sending."""
