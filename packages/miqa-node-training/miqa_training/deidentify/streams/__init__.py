"""Writes code streams of compressed frames anew with what decoding needs and nothing else; no pixel changes."""
