"""`python -m simulation`: play seeds, replay one, or plant bugs and see them found."""

from simulation.command import main

if __name__ == "__main__":
    main()
