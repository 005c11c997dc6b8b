"""The name that experiments.diffenc.sample had before; still runs it."""

from experiments import moved

if __name__ == "__main__":
    moved.run("experiments.sample_diffenc")
