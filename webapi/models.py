"""Unmanaged models: they give the lake's views, batches and gaps a place in the admin, and have no tables."""

from typing import ClassVar

from django.db import models


class PublishedView(models.Model):
    """A published cached view."""

    name: "models.CharField[str, str]" = models.CharField(primary_key=True, max_length=200)

    class Meta:
        """No table; who is staff may look."""

        managed = False
        verbose_name = "view"
        verbose_name_plural = "views"
        default_permissions: ClassVar[tuple[str, ...]] = ("view",)

    def __str__(self) -> str:
        return str(self.name)


class Batch(models.Model):
    """A batch that a drain took into the lake."""

    last_flush: "models.BigIntegerField[int, int]" = models.BigIntegerField(primary_key=True)

    class Meta:
        """No table; who is staff may look."""

        managed = False
        verbose_name = "batch"
        verbose_name_plural = "batches"
        default_permissions: ClassVar[tuple[str, ...]] = ("view",)

    def __str__(self) -> str:
        return f"flush {self.last_flush}"


class Gap(models.Model):
    """A span of time whose events a host did not serve."""

    from_at: "models.DateTimeField[str, str]" = models.DateTimeField(primary_key=True)

    class Meta:
        """No table; who is staff may look."""

        managed = False
        verbose_name = "gap"
        verbose_name_plural = "gaps"
        default_permissions: ClassVar[tuple[str, ...]] = ("view",)

    def __str__(self) -> str:
        return f"gap from {self.from_at}"
