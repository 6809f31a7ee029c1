"""Converters that create data sets.

They make boxes from label maps, small images from photographs, and frames with labels from a video.
"""
