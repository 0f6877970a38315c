"""What gets one verdict: a projection image, a series, a note or anything else. Kinds of objects differ here."""
