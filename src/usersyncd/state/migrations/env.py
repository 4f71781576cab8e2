"""The entry point of Alembic: it runs the migrations on the connection that usersyncd opened."""

from alembic import context

from usersyncd.state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
