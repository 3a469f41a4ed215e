"""Sound made with the standard library: speech of sorts, music, effects, and the files that hold them."""
