"""Units that get one verdict: a projection image, a series, a note or another object. Kinds of objects differ here."""
