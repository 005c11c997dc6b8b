"""DiffEnc: variational diffusion with a learned encoder, as pure functions of arrays.

    model = diffenc.build("diffenc-8-2", shape=(32, 32, 3), levels=256)
    params = model.init(jax.random.key(0))
    terms = model.elbo_terms(params, codes, t=t, eps=eps, eps_0=eps_0)  # nats per example

`model.bind(params)` is the process that `finite_depth`, `flow`, `importance`, `path`, `step_choice`
and `volatility_choice` take. Nielsen et al. 2023, https://arxiv.org/abs/2310.19789; Kingma et al.
2021 (VDM), https://arxiv.org/abs/2107.00630.
"""

from diffenc import (
    elbo,
    encoder,
    finite_depth,
    flow,
    importance,
    likelihood,
    noising,
    path,
    prediction,
    sampling,
    schedules,
    step_choice,
    upstream,
    volatility,
    volatility_choice,
)
from diffenc.elbo import ElboTerms, elbo_terms
from diffenc.flops import ModelFlops, model_flops
from diffenc.likelihood import bits_per_dim
from diffenc.models import Diffusion, build
from diffenc.options import Options
from diffenc.presets import NAMES, PRESETS, Preset
from diffenc.process import Process
from diffenc.times import stratified_times

__all__ = [
    "NAMES",
    "PRESETS",
    "Diffusion",
    "ElboTerms",
    "ModelFlops",
    "Options",
    "Preset",
    "Process",
    "bits_per_dim",
    "build",
    "elbo",
    "elbo_terms",
    "encoder",
    "finite_depth",
    "flow",
    "importance",
    "likelihood",
    "model_flops",
    "noising",
    "path",
    "prediction",
    "sampling",
    "schedules",
    "step_choice",
    "stratified_times",
    "upstream",
    "volatility",
    "volatility_choice",
]
