"""Addresses, ports and certificates, for those who listen and those who call."""
