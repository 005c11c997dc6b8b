"""Effects shared by all experiments: devices, files, signals, clocks.

This package knows no paper, no flag and no config name.
"""
