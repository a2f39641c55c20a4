"""The core: knows no dataset, no Lambda, no command line."""

__version__ = "0.1.0"
