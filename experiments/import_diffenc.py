"""The name that experiments.diffenc.import_published had before; still runs it."""

from experiments.runtime import moved

if __name__ == "__main__":
    moved.run("experiments.import_diffenc")
