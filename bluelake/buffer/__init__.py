"""The Redis buffer between the ingester and the drain. The one room that knows Redis."""
