"""The book: movements from bucket to bucket, sealed by operations; knows nothing of vehicles or accounts' names."""
