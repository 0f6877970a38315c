"""The page that has a study judged again."""
