"""The name that experiments.diffenc.import_published had before; still runs it."""

from experiments import moved

if __name__ == "__main__":
    moved.run("experiments.import_diffenc")
