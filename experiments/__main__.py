"""Lists all commands: python -m experiments."""

from experiments.commands import COMMANDS

if __name__ == "__main__":
    width = max(len(command.name) for command in COMMANDS)
    print("python -m experiments.COMMAND --help explains each of them:\n")
    for command in COMMANDS:
        print(f"  {command.name:{width}}  {command.line}")
