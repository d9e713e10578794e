"""Images in tar shards, webdataset's layout: listed and read from any place, or streamed."""
