"""What the wrappers of media share."""
