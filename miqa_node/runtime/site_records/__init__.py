"""What the people of a site say and set: labels, marks, a study's history, limits, packages in force, the clock."""
