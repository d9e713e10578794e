"""What `hieramp bench` measures: candidates side by side in one process, and a plain reference of generation."""
