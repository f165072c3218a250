"""What report and benchmark pages share: style and tables."""
