"""The queue's library is loaded only where its tables are older than the version that is known for it."""

from importlib.metadata import version

from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work import migration, queue_schema


def test_the_library_brings_its_tables_to_the_version_that_is_known_for_it(database: Database) -> None:
    """Another version of the library needs both constants anew; until then it is asked itself, at every start."""
    assert version("dbos") == migration.QUEUE_LIBRARY
    migration.migrate(database)
    assert queue_schema.recorded_version(database) == migration.QUEUE_SCHEMA
