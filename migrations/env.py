"""Alembic environment: migrations run on the connection that store.database hands over."""

from alembic import context

from miqa_node.runtime.store.tables import all_tables

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=all_tables(), render_as_batch=connection.dialect.name == "sqlite"
)
context.run_migrations()
