"""lrbench: compose, check, train with and fairly compare learning-rate schedules."""

__version__ = "0.1.0"
