"""Converters that create data sets.

They create:

* boxes from label maps;
* small images from photographs;
* labeled frames from a video;
* test sets for detectors from published boxes;
* folders with real rainy images.
"""
