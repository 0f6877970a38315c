"""The audit trail for other systems: DICOM audit messages (PS3.15 A.5) over syslog."""
