"""The name that experiments.diffenc.train had before; still runs it."""

from experiments import moved

if __name__ == "__main__":
    moved.run("experiments.train_diffenc")
