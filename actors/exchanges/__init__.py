"""One file a venue, without I/O: addresses, frames, signing, decoding, backfill requests."""
