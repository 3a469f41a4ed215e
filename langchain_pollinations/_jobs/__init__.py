"""The parts of a bulk job: its rows, its journal and the records of its results."""
