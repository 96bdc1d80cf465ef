"""`make bench`: every figure that the project promises, beside a reference taken in the same run."""
