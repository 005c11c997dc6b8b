"""The name that experiments.diffenc.inspect had before; still runs it."""

from experiments import moved

if __name__ == "__main__":
    moved.run("experiments.inspect_diffenc")
