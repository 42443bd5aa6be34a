"""The dataset `yolo`: people in ultralytics' text files."""
