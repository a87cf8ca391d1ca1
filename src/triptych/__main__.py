"""`python -m triptych`."""

from triptych.cli.program import main

if __name__ == "__main__":
    main()
