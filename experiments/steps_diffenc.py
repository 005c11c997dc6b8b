"""The name that experiments.diffenc.steps had before; still runs it."""

from experiments import moved

if __name__ == "__main__":
    moved.run("experiments.steps_diffenc")
