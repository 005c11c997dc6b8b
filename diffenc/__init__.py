"""DiffEnc: variational diffusion with a learned encoder, as pure functions of arrays.

Nielsen et al. 2023, https://arxiv.org/abs/2310.19789; Kingma et al. 2021 (VDM),
https://arxiv.org/abs/2107.00630.
"""

from diffenc.elbo import ElboTerms, elbo_terms
from diffenc.flops import ModelFlops, model_flops
from diffenc.likelihood import bits_per_dim
from diffenc.models import Diffusion, build
from diffenc.options import NAMES, Options
from diffenc.times import stratified_times

__all__ = [
    "NAMES",
    "Diffusion",
    "ElboTerms",
    "ModelFlops",
    "Options",
    "bits_per_dim",
    "build",
    "elbo_terms",
    "model_flops",
    "stratified_times",
]
