"""The change log of the catalogue, which every process follows."""

from django.db import models


class CatalogueChange(models.Model):
    """The change log that replicas follow. Its order by seq is the order of commits (see change_log.py)."""

    class Op(models.TextChoices):
        UPSERT = "upsert"
        REMOVE = "remove"

    seq = models.BigAutoField(primary_key=True)
    listing_id = models.BigIntegerField()
    op = models.CharField(max_length=6, choices=Op)

    def __str__(self) -> str:
        return f"{self.seq}: {self.op} {self.listing_id}"
