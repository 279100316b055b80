"""phmbench: what a method for diagnosing machines by vibration is really worth."""

__version__ = "0.1.0"
