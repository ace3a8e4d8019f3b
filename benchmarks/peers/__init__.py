"""The same job by other means, to be measured against."""
