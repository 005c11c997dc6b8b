"""The name that experiments.diffenc.steps had before; still runs it."""

from experiments.runtime import moved

if __name__ == "__main__":
    moved.run("experiments.steps_diffenc")
