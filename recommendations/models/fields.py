"""Model fields for column types that Django lacks."""

from django.db import models


class TransactionIdField(models.Field):
    """PostgreSQL's xid8: the id of the transaction that wrote the row."""

    def db_type(self, connection) -> str:
        return "xid8"

    def from_db_value(self, value, expression, connection) -> int | None:
        return None if value is None else int(value)

    def get_db_prep_value(self, value, connection, prepared=False):
        return value if hasattr(value, "resolve_expression") or value is None else str(value)
