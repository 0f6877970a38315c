"""Who uses the node, whose images it has, and the record of what was done: accounts, patients, and the audit trail."""
