"""The audit trail: kept, chained, signed and sent."""
