"""What launch.py runs, one file a stage."""
