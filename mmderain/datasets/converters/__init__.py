"""Make data sets from others: boxes from label maps, small images from photographs, labels from a video."""
