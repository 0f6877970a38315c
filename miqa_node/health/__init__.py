"""Whether this process can do its work, what is done about it when it cannot, and who is alerted."""
