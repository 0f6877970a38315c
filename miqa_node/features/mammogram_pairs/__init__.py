"""Which standard views a study of mammograms has, and how the views of a pair differ: for people, never a verdict.

It reads results from the store when somebody asks; nothing here delays or changes an image.
"""

CARDS = {"mammogram_pairs": "page.router:CARD"}
PAGES = {"mammogram_pairs": "page.router:PAGE", "mammogram_pairs_api": "api:PAGE"}
