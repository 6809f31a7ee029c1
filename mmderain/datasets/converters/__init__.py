"""Converters that create data sets.

They create boxes from label maps, small images from photographs, and labeled frames from a video.
"""
