"""The audit trail as other systems read it: DICOM audit messages (PS3.15 A.5) over syslog."""
