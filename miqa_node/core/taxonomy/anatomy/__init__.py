"""Body part and view of an image as the standard's terms, whatever codes, language or abbreviation its header uses.

Everything that compares them uses this: policies, cards of packages, statistics, searches and reject logs. The tables
are ``body_parts.toml`` and ``views.toml``.
"""

from __future__ import annotations

from miqa_node.core.taxonomy.anatomy.reading import PHANTOM, STANDARD, Anatomy, Naming, PhantomNames, anatomy_of

__all__ = ["PHANTOM", "STANDARD", "Anatomy", "Naming", "PhantomNames", "anatomy_of"]
