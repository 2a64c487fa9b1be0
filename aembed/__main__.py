"""``python -m aembed``: the command, where its script is not on the path."""

from aembed.cli import main

if __name__ == "__main__":
    main()
