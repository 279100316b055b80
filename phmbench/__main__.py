"""`python -m phmbench`, the same as the console command."""

from phmbench.entry import main

if __name__ == "__main__":
    main()
