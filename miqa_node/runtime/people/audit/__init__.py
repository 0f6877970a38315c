"""The audit trail in the database: records, their chain, and the pseudonyms of patients."""
