"""Float32 sums, counts and scales that keep their digits."""
