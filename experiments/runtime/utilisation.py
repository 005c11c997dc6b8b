"""Model FLOPs utilisation: useful arithmetic over what the devices could do."""

import jax

# Dense bfloat16 multiply-adds a second of one JAX device, from the vendors' data sheets. A JAX
# device is one chip, but one of a chip's two cores on TPU v2 and v3.
PEAK_FLOPS = {
    "TPU v2": 22.5e12,
    "TPU v3": 61.5e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5e": 197e12,
    "TPU v5": 459e12,
    "TPU v5p": 459e12,
    "TPU v6 lite": 918e12,
    "TPU v6e": 918e12,
    "Tesla V100-SXM2-16GB": 125e12,
    "Tesla T4": 65e12,
    "NVIDIA L4": 121e12,
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H200": 989e12,
}


def peak_flops(given_tflops: float | None = None) -> float | None:
    """Peak FLOP/s of all devices together: `given_tflops` each, or from the table, or None."""
    each = given_tflops * 1e12 if given_tflops else PEAK_FLOPS.get(jax.devices()[0].device_kind)
    return each and each * jax.device_count()
