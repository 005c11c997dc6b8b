# %% [markdown]
# # Is my embedding hubby?
#
# In high dimensions a few points become everyone's nearest neighbour: hubs. Search and kNN
# classification then return the same few answers, and many points, antihubs, are never found.
# This measures it for any matrix of embeddings, compares with chance, and tries to lower it.
#
# The notebook is made from the script of the same name beside it, by
# `python -m docs.notebooks.notebook`.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import hubness
from hubness import features

K = 10

# %% [markdown]
# ## Your embeddings
#
# Rows are points. Replace this by `embeddings = np.load("mine.npy")` and, if you have them, class
# labels. These stand-ins are eight classes in 300 dimensions, away from the origin and with
# features of unequal scale, as sentence embeddings are.

# %%
rng = np.random.default_rng(0)
labels = rng.integers(0, 8, 1000)
centres = 1.0 + 0.2 * rng.normal(size=(8, 300))
scales = np.exp(0.5 * rng.normal(size=300))
embeddings = scales * (centres[labels] + rng.normal(size=(1000, 300)))

# %% [markdown]
# ## How often is each point a neighbour?
#
# `k_occurrence` counts N_k. Neighbours from any other library do as well: pass its index array,
# through `hubness.drop_self` if its lists hold the point itself. The mean of N_k is k; without
# hubness the counts scatter around it.

# %%
neighbours = hubness.knn(embeddings, K, metric="cosine")
counts = np.asarray(hubness.k_occurrence(neighbours.index, len(embeddings)))
found = hubness.measures(counts, K)
print(f"largest hub: in {counts.max()} of {len(counts)} lists; mean {counts.mean():.0f}")
for name in ("robin_hood", "skewness", "antihub_rate"):
    value, null = (float(getattr(found, n)) for n in (name, f"{name}_null"))
    print(f"{name:13} {value:.3f}   by chance alone {null:.3f}")

figure, axis = plt.subplots(figsize=(5, 3))
axis.hist(counts, bins=50, log=True)
axis.set(xlabel=f"N_{K}", ylabel="points")
plt.show()

# %% [markdown]
# Decide by `robin_hood` against its null: the share of neighbour slots that would have to change
# hands for equality. Skewness follows single hubs. Which points are they?

# %%
print("hubs:", np.argsort(-counts)[:5], "with N_k", np.sort(counts)[::-1][:5])

# %% [markdown]
# ## What lowers it, and what it does to neighbours
#
# f-norm changes the space; the others rescale distances and search again, exactly. A reduction is
# worth it only if the neighbours stay right: here, of the same class.


# %%
def row(index):
    """Robin Hood index, share of antihubs, and of neighbours with the query's class."""
    index = np.asarray(index)
    measured = hubness.measures(hubness.k_occurrence(index, len(embeddings)), K)
    same = (labels[index] == labels[:, None]).mean()
    return float(measured.robin_hood), float(measured.antihub_rate), float(same)


normal = features.f_norm(embeddings, jax.random.key(0))
table = {"cosine": row(neighbours.index), "f_norm": row(hubness.knn(normal, K).index)}
for method in ("local_scaling", "mp_gauss"):
    table[method] = row(hubness.reduced_knn(embeddings, K, method, metric="cosine").index)
print(f"{'':14} robin hood  antihubs  same class")
for name, (robin_hood, antihubs, same) in table.items():
    print(f"{name:14} {robin_hood:10.3f}  {antihubs:8.3f}  {same:10.3f}")

# %% [markdown]
# ## From here
#
# `hubness.significance` tests whether a difference of two classifiers is real; `hubness.estimators`
# puts the same into scikit-learn pipelines; `python -m experiments.hubness --help` runs the paper's
# protocol on text. Names from scikit-hubness: `docs/migrating.md`.
