"""The soak: mixed traffic with faults for minutes, against an emulator in a process of its own. See `__main__`."""
