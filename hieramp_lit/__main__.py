"""`python -m hieramp_lit` is `hieramp`."""

from hieramp_lit.cli import main

if __name__ == "__main__":
    main()
