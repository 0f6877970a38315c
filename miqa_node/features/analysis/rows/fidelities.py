"""Effect of enhancement on annotated images, measured and stored by a command and shown on pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from miqa_node.features.analysis.tables import enhancement_figures
from miqa_node.runtime.store.database import Transaction

MOST_METHODS = 50


@dataclass(frozen=True, slots=True)
class KeptFidelity:
    """Means over ``images`` with drawn regions from ``since`` to ``until``; "marked" means inside the regions."""

    method: str
    made_at: datetime
    since: date
    until: date
    images: int
    psnr_db: float
    ssim: float
    psnr_marked_db: float
    ssim_marked: float


def keep(transaction: Transaction, row: KeptFidelity) -> None:
    """Add a measurement; earlier ones remain."""
    values = {name: getattr(row, name) for name in KeptFidelity.__dataclass_fields__}
    transaction.execute(sa.insert(enhancement_figures).values(**values))


def newest(transaction: Transaction) -> dict[str, KeptFidelity]:
    """The newest measurement of each method."""
    of = enhancement_figures.c
    last = sa.select(sa.func.max(of.figures_id)).group_by(of.method)
    query = sa.select(enhancement_figures).where(of.figures_id.in_(last)).order_by(of.method).limit(MOST_METHODS)
    return {
        row.method: KeptFidelity(
            row.method, row.made_at, row.since, row.until, row.images, row.psnr_db, row.ssim, row.psnr_marked_db,
            row.ssim_marked,
        )
        for row in transaction.execute(query)
    }  # fmt: skip
