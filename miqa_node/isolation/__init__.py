"""Judges images in processes of their own, so that no image can harm the process that receives and stores."""
