"""What there is: namespaces, buckets, objects, collections, batches and tasks, in MongoDB."""
