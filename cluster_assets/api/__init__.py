"""The API: which cluster an entity is in, and where a new item would belong, over HTTP and for events."""
