"""A finding of its own, with code, words in two languages, a default rule and a colour.

With many findings, write them in a TOML file like those of ``miqa_node/core/taxonomy`` and call
``read_taxonomy(path)``.
"""

from miqa_node.api import ConceptEntry, FindingEntry, FindingName, FindingWords, RuleEntry, SeverityEntry, Taxonomy

miqa_api = 1

PATIENT_MOTION = FindingEntry(
    reason="111210",
    concept=ConceptEntry(
        value="PATIENT_MOTION", scheme="99EXAMPLE", meaning="Patient motion", definition="The patient moved."
    ),
    words={
        "en": FindingWords(
            title="Patient motion",
            meaning="the patient moved between two exposures",
            hint="Repeat with a calm patient.",
        ),
        "de": FindingWords(title="Patientenbewegung", hint="Mit ruhigem Patienten wiederholen."),
    },
    severity=SeverityEntry(unit="mm", sizes=("1", "2", "4", "8"), scale="1 / 2 / 4 / 8 mm between the exposures"),
    policy=(RuleEntry(verdict="REVIEW"),),
    colour=(60.0, 20.0, -40.0),
)

TAXONOMY = Taxonomy({FindingName("patient_motion"): PATIENT_MOTION}, {})
