"""Estimates and intervals. Pure: arrays of numbers in, plain values out; no torch, no files.

`intervals` are of one sample or one rate; `paired` is about two arms that share their seeds.
"""
