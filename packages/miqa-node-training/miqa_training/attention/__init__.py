"""A small vision transformer, pretrained on chest radiographs without labels: features not tied to any known defect."""
