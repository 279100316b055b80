"""`python -m phmbench.doctor`: the examination without phmbench's own commands, where these do not start."""

import sys

from phmbench.doctor import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
