"""The tables that several features, or a stage, use, and what a feature needs to declare its own (:data:`metadata`).

The meaning of each row is documented where its table is; migrations bring databases to this shape (schema.py).
"""

# ruff: noqa: F403 - the name of a table stands where the table is declared, and in no list beside it

from __future__ import annotations

from functools import cache

import sqlalchemy as sa

from miqa_node.plugins import own
from miqa_node.runtime.store.tables._accounts import *
from miqa_node.runtime.store.tables._analysis import *
from miqa_node.runtime.store.tables._audit import *
from miqa_node.runtime.store.tables._base import *
from miqa_node.runtime.store.tables._base import metadata
from miqa_node.runtime.store.tables._delivery import *
from miqa_node.runtime.store.tables._images import *
from miqa_node.runtime.store.tables._labels import *
from miqa_node.runtime.store.tables._notices import *
from miqa_node.runtime.store.tables._operations import *
from miqa_node.runtime.store.tables._patients import *
from miqa_node.runtime.store.tables._processes import *
from miqa_node.runtime.store.tables._retention import *
from miqa_node.runtime.store.tables._worklist import *


@cache
def all_tables() -> sa.MetaData:
    """These, and the tables of all features, also of those without their line: whoever loops over tables asks this.

    A feature's table that cannot be imported is an error, as an erasure would pass it by.
    """
    own("tables")
    return metadata
