"""The name that experiments.diffenc.suite had before; still runs it."""

from experiments import moved

if __name__ == "__main__":
    moved.run("experiments.suite_diffenc")
