"""The name that experiments.diffenc.frechet had before; still runs it."""

from experiments import moved

if __name__ == "__main__":
    moved.run("experiments.frechet_diffenc")
