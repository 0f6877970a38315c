"""A kind of object with an answer of its own: waveforms such as an ECG are stored and counted, and never judged."""

from miqa_node.api import AssessorResult, Header, StoredInstance, Unit, UnitContext, not_assessed

miqa_api = 1
WAVEFORMS = "1.2.840.10008.5.1.4.1.1.9."
"""Root of the SOP classes of waveform storage (PS3.4 B.5)."""


class WaveformUnit(Unit):
    """Each waveform is a unit by itself."""

    name = "waveform"

    def covers(self, header: Header) -> bool:
        """By the SOP class."""
        return header.sop_class_uid.startswith(WAVEFORMS)

    def judge(self, instance: StoredInstance, context: UnitContext) -> AssessorResult:
        """The reason why there is no judgement."""
        return not_assessed(instance, "Waveforms are kept, but their quality is not judged.")


UNIT = WaveformUnit()
