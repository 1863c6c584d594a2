"""Run the command line as ``python -m mmcli``."""

from mmcli.cli import main

if __name__ == "__main__":
    main()
