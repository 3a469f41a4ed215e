"""Fuzz targets for atheris, a fuzzer that is guided by coverage. See `__main__`."""
