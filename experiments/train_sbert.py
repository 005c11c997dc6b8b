"""The name that experiments.sbert had before; still runs it."""

from experiments import moved

if __name__ == "__main__":
    moved.run("experiments.train_sbert")
