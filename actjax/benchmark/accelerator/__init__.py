"""The table of an accelerator: every kind of work beside the limits of the device and beside peers there."""
