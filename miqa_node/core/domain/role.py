"""Which parts of the node run in a process; several processes share one database and one object store."""

from __future__ import annotations

from enum import StrEnum


class NodeRole(StrEnum):
    """The values of ``miqa-node run --role``."""

    ALL = "all"
    RECEIVE = "receive"
    WORK = "work"
    WEB = "web"

    def includes(self, other: NodeRole) -> bool:
        """Whether a process of this role does the work of the other one.

        >>> NodeRole.ALL.includes(NodeRole.WEB), NodeRole.WORK.includes(NodeRole.WEB)
        (True, False)
        """
        return self in (NodeRole.ALL, other)

    @property
    def receives(self) -> bool:
        """Whether peers can store images here."""
        return self.includes(NodeRole.RECEIVE)

    @property
    def works(self) -> bool:
        """Whether images are assessed and results delivered here."""
        return self.includes(NodeRole.WORK)

    @property
    def serves(self) -> bool:
        """Whether the full pages and REST interface are served; health and metrics always are."""
        return self.includes(NodeRole.WEB)
