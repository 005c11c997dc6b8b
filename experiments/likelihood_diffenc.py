"""The name that experiments.diffenc.likelihood had before; still runs it."""

from experiments import moved

if __name__ == "__main__":
    moved.run("experiments.likelihood_diffenc")
