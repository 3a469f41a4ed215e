"""Speech of sorts, music and effects, made with the standard library, and with PyAV the files that hold them."""
