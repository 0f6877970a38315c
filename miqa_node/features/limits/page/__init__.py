"""The page on which limits of rooms are tried and put in force."""
