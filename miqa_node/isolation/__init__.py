"""Judges images in separate processes, so no image can harm the process that receives and stores."""
