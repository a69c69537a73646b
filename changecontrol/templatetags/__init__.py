"""Template vocabulary: how the pages write statuses, times, digests and sizes."""
