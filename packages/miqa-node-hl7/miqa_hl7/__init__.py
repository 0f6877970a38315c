"""Results of a node as HL7 v2 messages and FHIR bundles: destinations of kind ``hl7`` and ``fhir``."""
