"""PartSynth."""
