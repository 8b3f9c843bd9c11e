"""Mistakes in a schedule, found on its traced rates before they cost compute: values in, findings out."""
