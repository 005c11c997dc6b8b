"""The name that experiments.diffenc.evaluate had before; still runs it."""

from experiments import moved

if __name__ == "__main__":
    moved.run("experiments.eval_diffenc")
